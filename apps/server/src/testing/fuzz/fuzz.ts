import { exchangeOf } from "./exchanges.ts";
import type { Exchange, Heard } from "./wire.ts";
import { exchange } from "./wire.ts";

export interface FuzzOptions {
  readonly port: number;
  /** The seeds from `first` to below `end`; each gives one exchange. */
  readonly first?: number;
  readonly end: number;
  /** The most milliseconds from the last byte that is sent to the answer. */
  readonly timeout: number;
  /** Connections at a time. Default 32 */
  readonly connections?: number;
  /** Milliseconds that a slow client waits before it goes on; above the server's own limit it never goes on. */
  readonly pause: number;
}

export interface Fuzzed {
  /** How often each status was answered; `closed` for connections without an answer. */
  readonly counts: ReadonlyMap<string, number>;
  /** Each with its seed. */
  readonly failures: readonly string[];
}

/** Sends seeded exchanges, and holds each answer against what is allowed: 2xx and 4xx. */
export async function fuzz({ port, first = 0, end, timeout, pause, connections = 32 }: FuzzOptions): Promise<Fuzzed> {
  const counts = new Map<string, number>();
  const failures: string[] = [];
  let next = first;
  const work = async () => {
    while (next < end) {
      const seed = next++;
      const sent = exchangeOf(seed, pause);
      const heard = await exchange(port, sent, timeout);
      for (const each of heard.statuses.length > 0 ? heard.statuses : ["closed"])
        counts.set(String(each), (counts.get(String(each)) ?? 0) + 1);
      const problem = problemOf(sent, heard);
      if (problem) failures.push(`seed ${seed}, ${sent.kind}: ${problem}`);
    }
  };
  await Promise.all(Array.from({ length: connections }, work));
  return { counts, failures };
}

function problemOf(sent: Exchange, { statuses, failure }: Heard): string | undefined {
  if (sent.next === "break") return undefined;
  const wrong = statuses.find((status) => !isAllowed(status, sent));
  if (wrong !== undefined) return `answered ${wrong}`;
  if (failure === "no answer in time") return `${failure}, ${statuses.length} before`;
  if (statuses.length === 0) return sent.mayClose ? undefined : `no answer (${failure ?? "closed"})`;
  const { requests = 1 } = sent;
  return statuses.length < requests ? `${statuses.length} answers to ${requests} requests` : undefined;
}

function isAllowed(status: number, { isHurried = false }: Exchange): boolean {
  if (isHurried && (status === 503 || status === 504)) return true;
  return (status >= 200 && status < 300) || (status >= 400 && status < 500);
}
