import { Agent, request } from "node:http";
import type { Duplex } from "node:stream";
import { poissonArrivals } from "../../packages/cli/src/bench/scenarios/arrivals.ts";

/** An answered request. */
export interface Answered {
  /** 0 for a connection that broke. */
  readonly status: number;
  readonly hasRetryAfter: boolean;
  readonly ms: number;
  /** Why the connection broke, and whether it was a new one. */
  readonly failure?: string;
}

/** Below the server's limit, above which it closes connections without an answer. The others wait here. */
const CONNECTIONS = 900;

/**
 * Posts over connections that are kept, as a proxy does: the client has to close an idle connection before the server
 * does, whose end may cross a request on its way. Node's agent leaves that to a timer, which is late in a busy process,
 * and sets none without a `timeout` of its own.
 */
export class Clients {
  readonly #agent = new Agent({ keepAlive: true, maxSockets: CONNECTIONS, maxFreeSockets: CONNECTIONS });
  readonly #url: string;
  readonly #picture: Uint8Array;
  /** Milliseconds from which on a connection is used no more. */
  readonly #useBy = new WeakMap<Duplex, number>();
  #open = 0;
  /** The most requests at a time that were not answered. */
  mostOpen = 0;

  constructor(url: string, picture: Uint8Array) {
    this.#url = url;
    this.#picture = picture;
  }

  /** Posts an image file, and reads the answer to its end. */
  async post(): Promise<Answered> {
    this.#dropIdle();
    this.#open++;
    this.mostOpen = Math.max(this.mostOpen, this.#open);
    const start = performance.now();
    return new Promise((resolve) => {
      const settle = (answered: Omit<Answered, "ms">) => {
        this.#open--;
        resolve({ ...answered, ms: performance.now() - start });
      };
      const fail = ({ code }: NodeJS.ErrnoException) =>
        settle({
          status: 0,
          hasRetryAfter: false,
          failure: `${code}, ${sent.reusedSocket ? "kept" : "new"} connection`,
        });
      const headers = { "content-type": "image/jpeg", "content-length": this.#picture.length };
      const sent = request(this.#url, { method: "POST", agent: this.#agent, headers }, (answer) => {
        const seconds = Number(/timeout=(\d+)/.exec(String(answer.headers["keep-alive"]))?.[1] ?? 0);
        this.#useBy.set(answer.socket, performance.now() + (1000 * seconds) / 2);
        answer.resume();
        answer.on("end", () =>
          settle({ status: answer.statusCode!, hasRetryAfter: Number(answer.headers["retry-after"]) >= 1 }),
        );
        answer.on("error", fail);
      });
      sent.on("error", fail);
      sent.end(this.#picture);
    });
  }

  /** Closes the connections that no request uses. */
  closeIdle(): void {
    this.#dropIdle(Number.POSITIVE_INFINITY);
  }

  close(): void {
    this.#agent.destroy();
  }

  /** The agent takes the connection used last, so that the first of its list has been idle for longest. */
  #dropIdle(now: number = performance.now()): void {
    for (const sockets of Object.values(this.#agent.freeSockets))
      for (const socket of sockets ?? []) {
        if (this.#useBy.get(socket)! > now) break;
        socket.destroy();
      }
  }
}

/** Answers of 200 a second while `count` clients send one request after another. Throws for any other answer. */
export async function capacityOf(clients: Clients, count: number, seconds: number): Promise<number> {
  const end = performance.now() + 1000 * seconds;
  let accepted = 0;
  const client = async () => {
    while (performance.now() < end) {
      const { status, failure } = await clients.post();
      if (status !== 200) throw new Error(`found ${failure ?? status} with ${count} clients, expected 200`);
      accepted++;
    }
  };
  await Promise.all(Array.from({ length: count }, client));
  return (1000 * accepted) / (performance.now() - end + 1000 * seconds);
}

/** Sends a request over as many connections as there may be, at once. */
export async function burst(clients: Clients, onAnswer: (answer: Answered) => void): Promise<void> {
  await Promise.all(Array.from({ length: CONNECTIONS }, async () => onAnswer(await clients.post())));
  clients.closeIdle();
}

/** Sends requests at the times of a Poisson process, however many are still open. Resolves once all are answered. */
export async function offer(
  clients: Clients,
  { perSecond, seconds, seed }: { readonly perSecond: number; readonly seconds: number; readonly seed: bigint },
  onAnswer: (answer: Answered) => void,
): Promise<void> {
  const start = performance.now();
  const open = new Set<Promise<void>>();
  for (const due of poissonArrivals({ qps: perSecond, duration: 1000 * seconds, queries: 1, seed })) {
    const wait = start + due - performance.now();
    if (wait > 0) await new Promise((resolve) => setTimeout(resolve, wait));
    const answered = clients.post().then(onAnswer);
    open.add(answered);
    void answered.finally(() => open.delete(answered));
  }
  await Promise.all(open);
}
