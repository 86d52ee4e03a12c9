/**
 * Programs that `process.test.ts` runs in processes of their own: `node program.ts NAME OPTIONS`. Each prints one JSON
 * document.
 */
import { readdirSync } from "node:fs";
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";
import { AbortError, type Executable } from "@residual/core";
import { wasm } from "@residual/wasm";
import type { WasmOptions } from "../options.ts";
import { bitsOf, imageOf, residual, wide } from "./graphs.ts";

/** Threads of this process, as Linux counts them. */
const threads = () => readdirSync("/proc/self/task").length;

const image = imageOf(1, 20);
/** Some hundred milliseconds. */
const large = imageOf(64, 64);

/** What rounds leave behind: megabytes of the resident set, and threads. */
export interface Growth {
  readonly megabytes: number;
  readonly threads: number;
}

/** Of the rounds that follow 20 others. The garbage collector is not asked to run. */
async function growth(rounds: number, round: () => Promise<void>): Promise<Growth> {
  const measure = (): Growth => ({ megabytes: process.memoryUsage.rss() / 2 ** 20, threads: threads() });
  for (let i = 0; i < 20; i++) await round();
  const before = measure();
  for (let i = 0; i < rounds; i++) await round();
  const after = measure();
  return { megabytes: after.megabytes - before.megabytes, threads: after.threads - before.threads };
}

const programs: { readonly [name: string]: (options: WasmOptions) => Promise<unknown> } = {
  /** Never disposes, and is done. */
  async forget(options) {
    const executable = await wasm(options).compile(residual(20));
    await executable.run({ image });
    return "ran";
  },
  /** Makes a backend, describes it, and is refused. Threads before and after. */
  async unused(options) {
    await wasm(options).describe();
    const before = threads();
    for (let i = 0; i < 20; i++) {
      const backend = wasm(options);
      await backend.describe();
      await backend.compile(residual(20), { signal: AbortSignal.abort() }).catch(() => {});
    }
    return threads() - before;
  },
  /** Compiles, runs and disposes, over and over: 16 MB of weights each time. */
  rounds(options) {
    const graph = wide(1024, 4);
    return growth(40, async () => {
      await using executable = await wasm(options).compile(graph);
      await executable.run({ x: { dtype: "float32", shape: [2, 1024], data: new Float32Array(2048) } });
    });
  },
  /** The same while another executable keeps the threads. */
  async roundsBeside(options) {
    await using other = await wasm(options).compile(residual(20));
    await other.run({ image });
    return programs.rounds!(options);
  },
  /** Exits in mid run, with a queue behind it. */
  async exit(options) {
    const executable = await wasm(options).compile(residual(64));
    for (let i = 0; i < 5; i++) void executable.run({ image: large });
    setTimeout(() => process.exit(3), 50);
    return "begun";
  },
  /** Is kept by a run that is waited for. */
  async wait(options) {
    const executable = await wasm(options).compile(residual(64));
    return (await executable.run({ image: large })).logits.shape;
  },
  /** Leaves an aborted run behind. */
  async abort(options) {
    const executable = await wasm(options).compile(residual(64));
    const run = executable.run({ image: large }, { signal: AbortSignal.timeout(20) });
    return run.then(
      () => "answered",
      (error: unknown) => error instanceof AbortError && error.code,
    );
  },
  /** Workers that run the backend are ended in mid run, beside an executable of this thread. */
  async terminate(options) {
    await using executable = await wasm(options).compile(residual(20));
    const expected = bitsOf((await executable.run({ image })).logits).join();
    const before = threads();
    for (let i = 0; i < 5; i++) {
      const worker = new Worker(new URL(import.meta.url), { argv: ["runs"], workerData: options });
      await new Promise((resolve) => worker.once("message", resolve));
      const running = executable.run({ image });
      await worker.terminate();
      if (bitsOf((await running).logits).join() !== expected) return "another answer";
    }
    if (bitsOf((await executable.run({ image })).logits).join() !== expected) return "another answer";
    for (let i = 0; i < 100 && threads() > before; i++) await new Promise((resolve) => setTimeout(resolve, 20));
    return { more: threads() - before };
  },
  /** In a worker: runs without end, and says when the first has begun. */
  async runs(options) {
    const executable: Executable<"image", "logits"> = await wasm(options).compile(residual(64));
    for (;;) {
      const running = executable.run({ image: large });
      setTimeout(() => parentPort!.postMessage("running"), 10);
      await running;
    }
  },
};

const [name, options = "{}"] = process.argv.slice(2);
const given = isMainThread ? (JSON.parse(options) as WasmOptions) : (workerData as WasmOptions);
console.log(JSON.stringify(await programs[name!]!(given)));
