import { on, once } from "node:events";
import { closeSync, openSync, writeSync } from "node:fs";

/** Memory that is left after a garbage collection, in MB, and what holds it. */
export interface Live {
  /** JavaScript's objects. */
  readonly heap: number;
  /** Memory that these own outside the heap: buffers, sockets. */
  readonly external: number;
  /** The part of `heap` that is compiled code and its metadata. */
  readonly code: number;
  /** Open sockets. */
  readonly sockets: number;
}

/** Evaluated in the process. */
const LIVE = `JSON.stringify({
  memory: process.memoryUsage(),
  spaces: process.getBuiltinModule("node:v8").getHeapSpaceStatistics(),
  resources: process.getActiveResourcesInfo(),
})`;

interface Found {
  readonly memory: NodeJS.MemoryUsage;
  readonly spaces: readonly { readonly space_name: string; readonly space_used_size: number }[];
  readonly resources: readonly string[];
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
    const { result } = await this.#call("Runtime.evaluate", { expression: LIVE, returnByValue: true });
    const { memory, spaces, resources } = JSON.parse(result!.value) as Found;
    const code = spaces.filter(({ space_name }) => /code|trusted/.test(space_name));
    return {
      heap: memory.heapUsed / 1e6,
      external: memory.external / 1e6,
      code: code.reduce((sum, { space_used_size }) => sum + space_used_size, 0) / 1e6,
      sockets: resources.filter((name) => name === "TCPSocketWrap").length,
    };
  }

  /** Writes a snapshot of the heap, which Chrome's developer tools read and compare. The process stands meanwhile. */
  async snapshot(path: string): Promise<void> {
    const file = openSync(path, "w");
    const write = ({ data }: MessageEvent) => {
      const { method, params } = JSON.parse(String(data)) as { method?: string; params: { chunk: string } };
      if (method === "HeapProfiler.addHeapSnapshotChunk") writeSync(file, params.chunk);
    };
    this.#socket.addEventListener("message", write);
    try {
      await this.#call("HeapProfiler.takeHeapSnapshot", {});
    } finally {
      this.#socket.removeEventListener("message", write);
      closeSync(file);
    }
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
