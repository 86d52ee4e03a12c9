/**
 * Offers `residual serve` a multiple of its capacity over HTTP, and says whether it answers all and keeps its memory.
 *
 *   node scripts/overload/index.ts                              10 minutes at 4 times capacity
 *   node scripts/overload/index.ts --minutes 2 --times 8 --model resnet50 -- --max-waiting 64
 *   node scripts/overload/index.ts --snapshots DIR              heap snapshots after the warm-up and at the end
 *
 * Words after `--` go to `residual serve`. Every request has to be answered, with 200 or with 503 and Retry-After.
 *
 * What a process holds under load depends on the requests and connections of the moment. So the load comes in blocks
 * of half a minute, and memory is read between them: once all is answered, connections are closed and garbage is
 * collected, what stays is what would leak. The slope of the heap has to be 0 ± 1 MB an hour. Two things grow at first:
 * V8's compiled code, by ever less, for which `--warm-up` minutes of the same load come before; and Node's pool of HTTP
 * parsers, one for each connection that has been open at a time and at most 1,000, which a burst of requests fills.
 * `objects` is the heap without code.
 *
 * Prints each block and a verdict; exit code 1 if it does not hold. Linux only.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import sharp from "sharp";
import { type Answered, burst, Clients, capacityOf, offer } from "./clients.ts";
import { Inspector, type Live } from "./inspector.ts";
import { residentOf, treeOf } from "./processes.ts";
import { type Slope, slopeOf } from "./slope.ts";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    minutes: { type: "string", default: "10" },
    "warm-up": { type: "string", default: "15" },
    times: { type: "string", default: "4" },
    model: { type: "string", default: "resnet18" },
    snapshots: { type: "string" },
  },
});

/** Requests that are open while the capacity is measured. */
const CLIENTS = 64;
const CAPACITY_SECONDS = 15;
/** Seconds of load between two readings of memory. */
const BLOCK = 30;
/** MB an hour. */
const FLAT = 1;

const root = new URL("../../", import.meta.url);

interface Server {
  readonly process: ChildProcess;
  readonly url: string;
  /** Debuggers of the server and its children. */
  readonly inspectors: readonly Inspector[];
}

async function startServer(): Promise<Server> {
  const bin = fileURLToPath(new URL("packages/cli/bin/residual.js", root));
  const options = ["--model", values.model, "--weights", "fixture:v1", "--port", "0", "--no-log", "--json"];
  const started = spawn(process.execPath, [bin, "serve", ...options, ...positionals], {
    env: { ...process.env, NODE_OPTIONS: "--inspect=127.0.0.1:0" },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const debuggers: string[] = [];
  started.stderr.setEncoding("utf8").on("data", (text: string) => {
    debuggers.push(...[...text.matchAll(/Debugger listening on (\S+)/g)].map(([, url]) => url!));
    const others = text.split("\n").filter((line) => line !== "" && !/^(Debugger|For help)/.test(line));
    for (const line of others) console.error(line);
  });
  const said = await Promise.race([textOf(started), once(started, "exit").then(() => undefined)]);
  if (said === undefined) throw new Error("residual serve has ended; its message is above");
  const { url } = JSON.parse(said) as { readonly url: string };
  return { process: started, url, inspectors: await Promise.all(debuggers.map((each) => Inspector.open(each))) };
}

/** What the server prints until its JSON document is whole. */
async function textOf(started: ChildProcess): Promise<string> {
  let text = "";
  for await (const part of started.stdout!.setEncoding("utf8")) {
    text += part;
    if (text.trimEnd().endsWith("}")) return text;
  }
  return text;
}

class Tally {
  readonly counts = new Map<string, number>();
  readonly #accepted: number[] = [];

  add({ status, hasRetryAfter, ms, failure }: Answered): void {
    const kind = failure ?? (status === 503 ? `503 ${hasRetryAfter ? "with" : "without"} Retry-After` : `${status}`);
    this.counts.set(kind, (this.counts.get(kind) ?? 0) + 1);
    if (status === 200) this.#accepted.push(ms);
  }

  get accepted(): number {
    return this.#accepted.length;
  }

  /** Requests that had another answer than 200, and 503 with Retry-After, or none. */
  get wrong(): number {
    const kinds = [...this.counts].filter(([kind]) => kind !== "200" && kind !== "503 with Retry-After");
    return kinds.reduce((sum, [, count]) => sum + count, 0);
  }

  p99(): number {
    const sorted = Float64Array.from(this.#accepted).sort();
    return sorted[Math.floor(0.99 * sorted.length)] ?? Number.NaN;
  }
}

/** Of a server at rest, in MB. `resident` is that of all its processes. */
interface Reading extends Live {
  readonly at: number;
  readonly resident: number;
  /** The heap without code. */
  readonly objects: number;
}

const begun = performance.now();

/** Waits until the server knows that the connections are closed. */
async function read({ process, inspectors }: Server): Promise<Reading> {
  await setTimeout(500);
  const all = await Promise.all(inspectors.map((each) => each.live()));
  const sumOf = (name: keyof Live) => all.reduce((sum, live) => sum + live[name], 0);
  const reading = {
    at: (performance.now() - begun) / 1000,
    heap: sumOf("heap"),
    objects: sumOf("heap") - sumOf("code"),
    code: sumOf("code"),
    external: sumOf("external"),
    resident: treeOf(process.pid!).reduce((sum, pid) => sum + residentOf(pid), 0),
    sockets: sumOf("sockets"),
  };
  console.log(
    Object.values(reading)
      .map((value) => value.toFixed(2).padStart(10))
      .join(""),
  );
  return reading;
}

/** Blocks of load, each with a reading after it; and the milliseconds under load. */
async function load(minutes: number, perSecond: number, tally: Tally) {
  const readings: Reading[] = [];
  let ms = 0;
  for (let block = 0; block < (60 * minutes) / BLOCK; block++) {
    const start = performance.now();
    await offer(clients, { perSecond, seconds: BLOCK, seed: BigInt(block) }, (answer) => tally.add(answer));
    ms += performance.now() - start;
    clients.closeIdle();
    readings.push(await read(server));
  }
  return { readings, ms };
}

async function snapshots(name: string): Promise<void> {
  if (values.snapshots === undefined) return;
  mkdirSync(values.snapshots, { recursive: true });
  for (const [index, each] of server.inspectors.entries())
    await each.snapshot(join(values.snapshots, `${name}-${index}.heapsnapshot`));
}

function slope(name: "heap" | "objects" | "code" | "external" | "resident", readings: readonly Reading[]): Slope {
  const found = slopeOf(readings.map((reading) => ({ at: reading.at, value: reading[name] })));
  const [first, last] = [readings[0]![name], readings.at(-1)![name]];
  const range = `${first.toFixed(2)} to ${last.toFixed(2)} MB`;
  console.log(`${name.padEnd(11)}${found.perHour.toFixed(2)} ± ${found.within.toFixed(2)} MB an hour (95 %), ${range}`);
  return found;
}

const minutes = Number(values.minutes);
const picture = await sharp(fileURLToPath(new URL("photos/chelsea.png", root)))
  .resize(256)
  .jpeg()
  .toBuffer();
const server = await startServer();
const clients = new Clients(`${server.url}/v1/classify`, picture);
try {
  await capacityOf(clients, CLIENTS, CAPACITY_SECONDS / 3);
  const capacity = await capacityOf(clients, CLIENTS, CAPACITY_SECONDS);
  console.log(`capacity   ${capacity.toFixed(1)} pictures/s, ${CLIENTS} clients, ${CAPACITY_SECONDS} s`);
  const perSecond = Number(values.times) * capacity;
  console.log(
    ["seconds", "heap MB", "objects", "code", "external", "resident", "sockets"].map((s) => s.padStart(10)).join(""),
  );
  const tally = new Tally();
  await burst(clients, (answer) => tally.add(answer));
  await load(Number(values["warm-up"]), perSecond, tally);
  await snapshots("before");
  const before = tally.accepted;
  const { readings, ms } = await load(minutes, perSecond, tally);
  await snapshots("after");
  const goodput = (1000 * (tally.accepted - before)) / ms;
  console.log(`offered    ${perSecond.toFixed(1)} pictures/s for ${minutes} min, after ${values["warm-up"]} min`);
  for (const [kind, count] of tally.counts) console.log(`answers    ${kind}: ${count}`);
  console.log(`most open  ${clients.mostOpen} requests`);
  console.log(`goodput    ${goodput.toFixed(1)} pictures/s, ${(goodput / capacity).toFixed(3)} of capacity`);
  console.log(`p99        ${tally.p99().toFixed(0)} ms of the answers 200`);
  for (const name of ["resident", "external", "code", "objects"] as const) slope(name, readings);
  const { perHour, within } = slope("heap", readings);
  for (const each of server.inspectors) each.close(); // a process waits for its debugger
  server.process.kill("SIGTERM");
  const [code] = (await once(server.process, "exit")) as [number | null];
  console.log(`exit code  ${code} after SIGTERM`);
  const isFlat = Math.abs(perHour) + within <= FLAT;
  console.log(`verdict    ${tally.wrong === 0 ? "every request answered" : `${tally.wrong} requests not answered`}`);
  console.log(`           the heap is ${isFlat ? "flat" : "not shown to be flat"} within ${FLAT} MB an hour`);
  process.exitCode = tally.wrong === 0 && isFlat ? 0 : 1;
} finally {
  clients.close();
  server.process.kill();
}
