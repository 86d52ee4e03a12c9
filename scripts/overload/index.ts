/**
 * Offers `residual serve` a multiple of its capacity over HTTP, and watches answers and memory.
 *
 *   node scripts/overload/index.ts                              10 minutes at 4 times capacity
 *   node scripts/overload/index.ts --minutes 2 --times 8 --model resnet50 -- --max-waiting 64
 *
 * Words after `--` go to `residual serve`. Every request has to be answered, with 200 or with 503 and Retry-After.
 * Memory is that of the server and its children: resident, each second; and live, after a garbage collection every
 * ten seconds, by way of --inspect. Slopes begin after `--warm-up` minutes. Exit code 1 if an answer is of another
 * kind or missing. Linux only.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import sharp from "sharp";
import { type Answered, capacityOf, close, offer } from "./clients.ts";
import { Inspector } from "./inspector.ts";
import { residentOf, treeOf } from "./processes.ts";
import { type Sample, slopeOf } from "./slope.ts";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    minutes: { type: "string", default: "10" },
    "warm-up": { type: "string", default: "1" },
    times: { type: "string", default: "4" },
    model: { type: "string", default: "resnet18" },
  },
});

/** Requests that are open while the capacity is measured. */
const CLIENTS = 64;
const CAPACITY_SECONDS = 15;
/** Seconds of a block of samples, and between garbage collections. */
const BLOCK = 10;

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

class Memory {
  readonly resident: Sample[] = [];
  readonly heap: Sample[] = [];
  readonly external: Sample[] = [];
  readonly #server: Server;
  readonly #start = performance.now();
  readonly #timers: NodeJS.Timeout[];

  constructor(server: Server) {
    this.#server = server;
    this.#timers = [
      setInterval(() => this.#sampleResident(), 1000),
      setInterval(() => void this.#sampleLive(), 1000 * BLOCK),
    ];
  }

  stop(): void {
    for (const timer of this.#timers) clearInterval(timer);
  }

  #seconds(): number {
    return (performance.now() - this.#start) / 1000;
  }

  #sampleResident(): void {
    const value = treeOf(this.#server.process.pid!).reduce((sum, pid) => sum + residentOf(pid), 0);
    this.resident.push({ at: this.#seconds(), value });
  }

  async #sampleLive(): Promise<void> {
    const all = await Promise.all(this.#server.inspectors.map((each) => each.live()));
    const at = this.#seconds();
    this.heap.push({ at, value: all.reduce((sum, { heap }) => sum + heap, 0) });
    this.external.push({ at, value: all.reduce((sum, { external }) => sum + external, 0) });
  }
}

class Tally {
  readonly counts = new Map<string, number>();
  readonly #accepted: number[] = [];

  add({ status, hasRetryAfter, ms }: Answered): void {
    const kind = status === 503 ? `503 ${hasRetryAfter ? "with" : "without"} Retry-After` : `${status}`;
    this.counts.set(kind, (this.counts.get(kind) ?? 0) + 1);
    if (status === 200) this.#accepted.push(ms);
  }

  get accepted(): number {
    return this.#accepted.length;
  }

  get isClean(): boolean {
    return [...this.counts.keys()].every((kind) => kind === "200" || kind === "503 with Retry-After");
  }

  p99(): number {
    const sorted = Float64Array.from(this.#accepted).sort();
    return sorted[Math.floor(0.99 * sorted.length)] ?? Number.NaN;
  }
}

const minutes = Number(values.minutes);
const warmUp = 60 * Number(values["warm-up"]);
const picture = await sharp(fileURLToPath(new URL("photos/chelsea.png", root)))
  .resize(256)
  .jpeg()
  .toBuffer();
const server = await startServer();
const url = `${server.url}/v1/classify`;
try {
  await capacityOf(url, picture, CLIENTS, CAPACITY_SECONDS / 3);
  const capacity = await capacityOf(url, picture, CLIENTS, CAPACITY_SECONDS);
  console.log(`capacity   ${capacity.toFixed(1)} pictures/s, ${CLIENTS} clients, ${CAPACITY_SECONDS} s`);
  const perSecond = Number(values.times) * capacity;
  const memory = new Memory(server);
  const tally = new Tally();
  const start = performance.now();
  await offer(url, picture, { perSecond, seconds: 60 * minutes }, (answer) => tally.add(answer));
  const seconds = (performance.now() - start) / 1000;
  memory.stop();
  console.log(`offered    ${perSecond.toFixed(1)} pictures/s for ${minutes} min`);
  for (const [kind, count] of tally.counts) console.log(`answers    ${kind}: ${count}`);
  console.log(`goodput    ${(tally.accepted / seconds).toFixed(1)} pictures/s, p99 ${tally.p99().toFixed(0)} ms`);
  console.log(`share      ${(tally.accepted / seconds / capacity).toFixed(3)} of capacity`);
  for (const name of ["resident", "heap", "external"] as const) report(name, memory[name]);
  for (const each of server.inspectors) each.close(); // a process waits for its debugger
  server.process.kill("SIGTERM");
  const [code] = (await once(server.process, "exit")) as [number | null];
  console.log(`exit code  ${code} after SIGTERM`);
  process.exitCode = tally.isClean ? 0 : 1;
} finally {
  close();
  server.process.kill();
}

function report(name: string, samples: readonly Sample[]): void {
  const later = samples.filter(({ at }) => at >= warmUp);
  const { perHour, within } = slopeOf(later, BLOCK);
  const [first, last] = [later[0]?.value ?? Number.NaN, later.at(-1)?.value ?? Number.NaN];
  const slope = `${perHour.toFixed(1)} ± ${within.toFixed(1)} MB an hour (95 %)`;
  console.log(`${name.padEnd(11)}${slope}, ${first.toFixed(1)} to ${last.toFixed(1)} MB`);
}
