import { setTimeout as pause } from "node:timers/promises";
import { ResidualError } from "@residual/core";
import type { Redis } from "ioredis";
import { importIoredis } from "./peers.ts";

/** Redis cannot be used: its address, password, version or role. The message names the way out. */
export class RedisError extends ResidualError {
  readonly code = "RedisError";
}

/** Milliseconds for the first answer of a server. */
const PATIENCE = 4000;

/** BullMQ's recommended minimum. Valkey, a fork of Redis 7.2, reports 7.2 here. */
const OLDEST = [6, 2] as const;

/**
 * Connects once, without retries, and checks that BullMQ can use the server. Returns warnings. Throws RedisError within
 * a few seconds if the server does not answer, refuses the password, is too old, a replica or a cluster.
 *
 * @param url `redis://[user:password@]host:port[/database]`, or `rediss://` for TLS
 * @param patience milliseconds for the first answer
 */
export async function checkRedis(url: string, patience = PATIENCE): Promise<readonly string[]> {
  checkUrl(url);
  const { Redis } = await importIoredis();
  const redis = new Redis(url, { lazyConnect: true, retryStrategy: () => null, connectTimeout: patience });
  const faults: Error[] = [];
  redis.on("error", (error) => faults.push(error)); // `connect` itself rejects without the cause
  try {
    return judge(await within(patience, infoOf(redis)), url);
  } catch (error) {
    if (error instanceof RedisError) throw error;
    const fault = faults[0] ?? error;
    throw new RedisError(`${shownUrl(url)}: ${wordsOf(fault, url)}`, { cause: fault });
  } finally {
    redis.disconnect();
  }
}

async function infoOf(redis: Redis): Promise<string> {
  await redis.connect();
  return redis.info();
}

/** The warnings about a server with this answer to INFO; throws RedisError if BullMQ cannot use the server. */
export function judge(info: string, url: string): readonly string[] {
  const field = (name: string) => new RegExp(`^${name}:(.*?)\r?$`, "m").exec(info)?.[1] ?? "";
  const fail = (words: string) => new RedisError(`${shownUrl(url)}: ${words}`);
  const version = field("redis_version");
  const [major = 0, minor = 0] = version.split(".").map(Number);
  if (major < OLDEST[0] || (major === OLDEST[0] && minor < OLDEST[1]))
    throw fail(`found Redis ${version || "of an unknown version"}, expected ${OLDEST.join(".")} or newer, or Valkey`);
  if (field("cluster_enabled") === "1")
    throw fail("found a Redis Cluster, expected a single server; one server is enough for any number of workers");
  if (field("role") === "slave") throw fail("found a replica, which takes no writes; give the address of its primary");
  const policy = field("maxmemory_policy");
  if (policy === "" || policy === "noeviction") return [];
  return [
    `${shownUrl(url)}: its maxmemory-policy is ${policy}, so that Redis may drop shards of the queue when its memory ` +
      "is full; set it to noeviction",
  ];
}

function checkUrl(url: string): void {
  const protocol = URL.canParse(url) ? new URL(url).protocol : "";
  if (protocol === "redis:" || protocol === "rediss:") return;
  throw new RedisError(`expected redis://host:port or rediss://host:port, found ${shownUrl(url)}`);
}

/** The address without its password. */
function shownUrl(url: string): string {
  return url.replace(/:[^:@/]*@/, ":…@");
}

/** Throws RedisError where Redis refuses a command of `work`. */
export function refusedByRedis<T>(url: string, work: Promise<T>): Promise<T> {
  return work.catch((cause: unknown) => {
    const words = refusal(cause);
    throw words === undefined ? cause : new RedisError(`${shownUrl(url)}: ${words}`, { cause });
  });
}

/** The words for an error that Redis answers to a command; undefined for any other error. */
export function refusal(error: unknown): string | undefined {
  if (!(error instanceof Error && error.name === "ReplyError")) return undefined;
  if (error.message.startsWith("OOM")) return "its memory is full; raise maxmemory, or let workers empty the queue";
  return `it refuses a command (${error.message})`;
}

function wordsOf(error: unknown, url: string): string {
  const { message } = error instanceof Error ? error : new Error(String(error));
  if (/WRONGPASS|invalid username-password|invalid password/.test(message))
    return "the server refuses the password; give it as redis://:password@host or redis://user:password@host";
  if (/NOAUTH/.test(message)) return "the server asks for a password; give it as redis://:password@host";
  if (/NOPERM/.test(message)) return `the user has too few rights (${message})`;
  if (/certificate|self.signed/.test(message))
    return `its certificate is not trusted (${message}); NODE_EXTRA_CA_CERTS names the file of its authority`;
  const tls = url.startsWith("rediss:") ? "speaks TLS (redis:// is for servers that do not)" : "is reachable";
  return `no answer (${message || "unreachable"}); check host and port, and that the server runs and ${tls}`;
}

async function within<T>(ms: number, work: Promise<T>): Promise<T> {
  const late = pause(ms, undefined, { ref: false }).then(() => {
    throw new Error(`none within ${ms / 1000} s`);
  });
  return Promise.race([work, late]);
}
