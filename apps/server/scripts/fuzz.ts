/**
 * 100,000 seeded requests against `residual serve` over sockets: infer and picture routes, damaged bodies, hostile
 * heads, wrong lengths, slow and half-open clients. Prints how many were answered with which status, and the seed of
 * each answer that is neither 2xx nor 4xx. The process's memory and open files are read before and after.
 *
 *   node --conditions=@residual/source scripts/fuzz.ts [COUNT] [FIRST SEED]
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync, readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { setTimeout as wait } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { fuzz } from "../src/testing/fuzz/fuzz.ts";

const [count = "100000", seed = "0"] = process.argv.slice(2);
const [first, end] = [Number(seed), Number(seed) + Number(count)];
/** Memory is read after each, once the slow clients have ended. */
const PARTS = Math.ceil(Number(count) / 10_000);
/** The server gives a client 30 s for its request, and looks every 7.5 s. */
const [PAUSE, TIMEOUT] = [40_000, 60_000];

const cli = fileURLToPath(new URL("../../../packages/cli/bin/residual.js", import.meta.url));
const words = ["serve", "--port", "0", "--backend", "wasm", "--threads", "1", "--no-log"];
const server = spawn(process.execPath, ["--conditions=@residual/source", cli, ...words], {
  stdio: ["ignore", "pipe", "inherit"],
});
process.on("exit", () => server.kill("SIGKILL"));

const [line] = (await once(createInterface(server.stdout), "line")) as [string];
const port = Number(new URL(line.split(" ")[0]!).port);

const counts = new Map<string, number>();
const failures: string[] = [];
await fuzzPart(end, end + 2000); // caches and the heap fill
counts.clear();
const before = await held(server);
console.log("| requests | MB of memory | open files |\n| - | - | - |\n", row(0, before));
const start = performance.now();
for (let part = 0; part < PARTS; part++) {
  const at = (share: number) => first + Math.round(((end - first) * share) / PARTS);
  await fuzzPart(at(part), at(part + 1));
  console.log(row(at(part + 1) - first, await held(server)));
}
const seconds = Math.round((performance.now() - start) / 1000);
const after = await held(server);
if (after.files > before.files) failures.push(`${after.files - before.files} more open files`);
for (const [status, times] of [...counts].toSorted(([a], [b]) => a.localeCompare(b)))
  console.log(`${status}: ${times}`);
for (const failure of failures) console.log(failure);
console.log(`${end - first} requests in ${seconds} s, ${failures.length} failures`);
const ended = once(server, "exit");
server.kill("SIGTERM");
const [code] = (await ended) as [number | null];
process.exitCode = failures.length > 0 || code !== 0 ? 1 : 0;

async function fuzzPart(from: number, to: number): Promise<void> {
  const found = await fuzz({ port, first: from, end: to, timeout: TIMEOUT, pause: PAUSE, connections: 128 });
  for (const [status, times] of found.counts) counts.set(status, (counts.get(status) ?? 0) + times);
  failures.push(...found.failures);
  if (server.exitCode !== null) throw new Error(`the server has ended with ${server.exitCode}; seeds ${from} to ${to}`);
}

interface Held {
  readonly megabytes: number;
  readonly files: number;
}

/** What the process holds once its connections are closed. */
async function held({ pid }: ChildProcess): Promise<Held> {
  await wait(3000);
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  return {
    megabytes: Math.round(Number(/^VmRSS:\s*(\d+)/m.exec(status)![1]) / 1024),
    files: readdirSync(`/proc/${pid}/fd`).length,
  };
}

function row(requests: number, { megabytes, files }: Held): string {
  return `| ${requests} | ${megabytes} | ${files} |`;
}
