import { on, once } from "node:events";

/** Memory that is left after a garbage collection, in MB. */
export interface Live {
  /** JavaScript's objects. */
  readonly heap: number;
  /** Memory that these own outside the heap: buffers, sockets. */
  readonly external: number;
}

/** A process that runs with --inspect: collects its garbage, and tells what stays. */
export class Inspector {
  readonly #socket: WebSocket;
  #calls = 0;

  private constructor(socket: WebSocket) {
    this.#socket = socket;
  }

  /** `url` is from the line "Debugger listening on ws://…". */
  static async open(url: string): Promise<Inspector> {
    const socket = new WebSocket(url);
    await once(socket, "open");
    return new Inspector(socket);
  }

  async live(): Promise<Live> {
    await this.#call("HeapProfiler.collectGarbage", {});
    const expression = "JSON.stringify(process.memoryUsage())";
    const { result } = await this.#call("Runtime.evaluate", { expression, returnByValue: true });
    const usage = JSON.parse(result!.value) as NodeJS.MemoryUsage;
    return { heap: usage.heapUsed / 1e6, external: usage.external / 1e6 };
  }

  close(): void {
    this.#socket.close();
  }

  async #call(method: string, params: object): Promise<{ readonly result?: { readonly value: string } }> {
    const id = ++this.#calls;
    this.#socket.send(JSON.stringify({ id, method, params }));
    for await (const [{ data }] of on(this.#socket, "message", { close: ["close"] }) as AsyncIterable<[MessageEvent]>) {
      const message = JSON.parse(String(data)) as { id?: number; result: { result?: { value: string } } };
      if (message.id === id) return message.result;
    }
    throw new Error("the process has ended");
  }
}
