import { Agent, request } from "node:http";
import { poissonArrivals } from "../../packages/cli/src/bench/scenarios/arrivals.ts";

/** One answered request. `status` is 0 for a connection that broke. */
export interface Answered {
  readonly status: number;
  readonly hasRetryAfter: boolean;
  readonly ms: number;
}

const agent = new Agent({ keepAlive: true });

/** Posts an image file, and reads the answer to its end. */
function post(url: string, picture: Uint8Array): Promise<Answered> {
  const start = performance.now();
  return new Promise((resolve) => {
    const settle = (status: number, hasRetryAfter = false) =>
      resolve({ status, hasRetryAfter, ms: performance.now() - start });
    const headers = { "content-type": "image/jpeg", "content-length": picture.length };
    const sent = request(url, { method: "POST", agent, headers }, (answer) => {
      answer.resume();
      answer.on("end", () => settle(answer.statusCode!, Number(answer.headers["retry-after"]) >= 1));
      answer.on("error", () => settle(0));
    });
    sent.on("error", () => settle(0));
    sent.end(picture);
  });
}

/** Answers of 200 a second while `clients` send one request after another. Throws for any other answer. */
export async function capacityOf(url: string, picture: Uint8Array, clients: number, seconds: number): Promise<number> {
  const end = performance.now() + 1000 * seconds;
  let accepted = 0;
  const client = async () => {
    while (performance.now() < end) {
      const { status } = await post(url, picture);
      if (status !== 200) throw new Error(`${url} answers ${status} to ${clients} clients, expected 200`);
      accepted++;
    }
  };
  await Promise.all(Array.from({ length: clients }, client));
  return (1000 * accepted) / (performance.now() - end + 1000 * seconds);
}

/** Sends requests at the times of a Poisson process, however many are still open. Resolves once all are answered. */
export async function offer(
  url: string,
  picture: Uint8Array,
  { perSecond, seconds }: { readonly perSecond: number; readonly seconds: number },
  onAnswer: (answer: Answered) => void,
): Promise<void> {
  const start = performance.now();
  const open: Promise<void>[] = [];
  for (const due of poissonArrivals({ qps: perSecond, duration: 1000 * seconds, queries: 1 })) {
    const wait = start + due - performance.now();
    if (wait > 0) await new Promise((resolve) => setTimeout(resolve, wait));
    open.push(post(url, picture).then(onAnswer));
  }
  await Promise.all(open);
}

export function close(): void {
  agent.destroy();
}
