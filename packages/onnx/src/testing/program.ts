/** Programs that `process.test.ts` runs in processes of their own: `node program.ts NAME`. Each prints one JSON document. */
import { readdirSync } from "node:fs";
import { ResidualError } from "@residual/core";
import { onnx } from "../backend.ts";
import { slow, tiny, wide } from "./graphs.ts";
import { fill } from "./values.ts";

const backend = onnx({ threads: 2 });
const image = fill([2, 3, 8, 8], 1);
const large = fill([4, 256, 28, 28], 1);

/** Threads of this process, as Linux counts them. */
const threads = () => readdirSync("/proc/self/task").length;

/** The code of an error of ours; any other ends the process. */
function codeOf(error: unknown): string {
  if (error instanceof ResidualError) return error.code;
  throw error;
}

const programs: { readonly [name: string]: () => Promise<unknown> } = {
  /** Never disposes, and is done. */
  async forget() {
    const executable = await backend.compile(tiny());
    await executable.run({ image });
    return "ran";
  },
  /** Makes backends that nobody ever uses; the last may still load its runtime when all is done. Threads. */
  async unused() {
    const before = threads();
    for (let i = 0; i < 20; i++) onnx({ threads: 1 });
    for (let wait = 0; wait < 100 && threads() > before; wait++) {
      await new Promise((resolve) => setTimeout(resolve, 50));
      globalThis.gc?.();
    }
    const after = threads();
    onnx({ threads: 1 });
    return { before, after };
  },
  /** Is done while an aborted run is still under way in the worker. */
  async abort() {
    const executable = await backend.compile(slow());
    const controller = new AbortController();
    const run = executable.run({ image: large }, { signal: controller.signal });
    setTimeout(() => controller.abort(), 30);
    return run.catch(codeOf);
  },
  /** Is done while an aborted compile is still under way in the worker. */
  async abortCompile() {
    const compile = backend.compile(wide(2048, 8), { signal: AbortSignal.timeout(150) });
    return compile.catch(codeOf);
  },
  /** Waits for nothing but its runs. */
  async wait() {
    const executable = await backend.compile(slow());
    const { y } = await executable.run({ image: large });
    return y.shape;
  },
  /** Exits in mid run, with a queue behind it. */
  async exit() {
    const executable = await backend.compile(slow());
    for (let i = 0; i < 5; i++) void executable.run({ image: large });
    setTimeout(() => process.exit(3), 50);
    return "begun";
  },
  /** Dies of an exception while a model is being created. */
  async throw() {
    setTimeout(() => {
      throw new Error("died on purpose");
    }, 120);
    void backend.compile(wide(2048, 8));
    return "begun";
  },
  /** Compiles, runs and disposes, over and over; 16 MB of weights each time. Resident set in MB, threads. */
  async rounds() {
    const graph = wide(1024, 4);
    const round = async () => {
      await using executable = await backend.compile(graph);
      await Promise.all([1, 2, 3].map((seed) => executable.run({ x: fill([64, 1024], seed) })));
    };
    const measure = () => {
      globalThis.gc?.();
      return { resident: process.memoryUsage.rss() / 2 ** 20, threads: threads() };
    };
    for (let i = 0; i < 5; i++) await round();
    const before = measure();
    for (let i = 0; i < 20; i++) await round();
    return { before, after: measure() };
  },
};

console.log(JSON.stringify(await programs[process.argv[2]!]!()));
