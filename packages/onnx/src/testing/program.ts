/**
 * Programs that `process.test.ts` runs in processes of their own: `node program.ts NAME`. Each prints one JSON
 * document.
 */
import { closeSync, mkdtempSync, openSync, readdirSync, rmdirSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { graph, input, ops, type Progress, parameter, ResidualError } from "@residual/core";
import { backendOn } from "../backend.ts";
import { onnx } from "../runtime/node/backend.ts";
import { nodeRuntime } from "../runtime/node/runtime.ts";
import { slow, tiny, wide } from "./graphs.ts";
import { writeSafetensors } from "./safetensors.ts";
import { fill } from "./values.ts";

const backend = onnx({ threads: 2 });
/** The shortest runs in a thread too. */
const threaded = backendOn("onnx", nodeRuntime({ threads: 2 }, { mostInline: 0 }));
const image = fill([2, 3, 8, 8], 1);
const large = fill([4, 256, 28, 28], 1);

/** Threads of this process, as Linux counts them. */
const threads = () => readdirSync("/proc/self/task").length;

/** The code of an error of ours; any other ends the process. */
function codeOf(error: unknown): string {
  if (error instanceof ResidualError) return error.code;
  throw error;
}

function inWords(error: unknown): string {
  return `${codeOf(error)}: ${(error as Error).message}`;
}

const programs: { readonly [name: string]: () => Promise<unknown> } = {
  /** Never disposes, and is done: of a session on this thread, and of one on a thread of its own. */
  async forget() {
    for (const each of [backend, threaded]) {
      const executable = await each.compile(tiny());
      await executable.run({ image });
    }
    return "ran";
  },
  /** Makes backends, describes them, and compiles what cannot be compiled. Threads before and after. */
  async unused() {
    const x = input("x", [1, 2]);
    const open = graph({
      name: "open",
      inputs: { x },
      outputs: { y: ops.linear({ x, weight: parameter("w", [3, 2]) }) },
    });
    await onnx().describe(); // reads a file, for which Node starts threads of its own
    const before = threads();
    const codes = new Set<string>();
    for (let i = 0; i < 20; i++) {
      const each = onnx({ threads: 1 });
      await each.describe();
      await each.compile(open).catch((error: unknown) => codes.add(codeOf(error)));
      await each.compile(tiny(), { signal: AbortSignal.abort() }).catch((error: unknown) => codes.add(codeOf(error)));
    }
    return { before, after: threads(), codes: [...codes] };
  },
  /** The same with short runs on this thread. */
  async shortRounds() {
    const graph = wide(1024, 4);
    return measured(5, 20, async () => {
      await using executable = await backend.compile(graph);
      await Promise.all([1, 2, 3].map((seed) => executable.run({ x: fill([1, 1024], seed) })));
    });
  },
  /**
   * Compiles a graph that cannot be lowered, over and over: an output has an input's name. Resident set in MB, threads.
   */
  async refused() {
    const x = input("x", [1, 2]);
    const clash = graph({ name: "clash", inputs: { x }, outputs: { x: ops.relu({ x }) } });
    return measured(5, 20, async () => {
      const code = await threaded.compile(clash).then(() => "none", codeOf);
      if (code !== "UnsupportedError") throw new Error(`expected UnsupportedError, found ${code}`);
    });
  },
  /** Is killed while weights stream from a file into the temporary folder. */
  async killed() {
    const layers = { a: fill([1100, 1100], 1), b: fill([1100, 1100], 2) };
    const { a, b } = await writeSafetensors(join(tmpdir(), "weights.safetensors"), layers);
    const kill = ({ stage }: Progress) => stage === "stream weights" && process.kill(process.pid, "SIGKILL");
    await backend.compile(
      wide(1100, 2, (layer) => (layer === 0 ? a! : b!)),
      { onProgress: kill },
    );
    return "compiled";
  },
  /** Compiles once no more files can be opened, but for a few. */
  async noFiles() {
    await backend.describe();
    const files: number[] = [];
    try {
      for (;;) files.push(openSync("/dev/null", "r"));
    } catch {
      for (const file of files.splice(0, 3)) closeSync(file);
    }
    const found = await backend.compile(slow()).catch(inWords);
    for (const file of files) closeSync(file);
    return found;
  },
  /** Compiles in a folder that is gone. */
  async noFolder() {
    const folder = mkdtempSync(join(tmpdir(), "residual-test-"));
    process.chdir(folder);
    rmdirSync(folder);
    return backend.compile(slow()).catch(inWords);
  },
  /** Loads onnxruntime in a thread alone: what it leaves in the home and the temporary folder. */
  async telemetry() {
    await using _ = await threaded.compile(tiny());
    return [...readdirSync(homedir(), { recursive: true }), ...readdirSync(tmpdir())];
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
  /** Exits in mid run, with a queue behind it, on this thread and on another. */
  async exit() {
    const executable = await backend.compile(slow());
    for (let i = 0; i < 5; i++) void executable.run({ image: large });
    const short = await backend.compile(tiny());
    for (let i = 0; i < 100_000; i++) void short.run({ image });
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
      await using executable = await threaded.compile(graph);
      await Promise.all([1, 2, 3].map((seed) => executable.run({ x: fill([64, 1024], seed) })));
    };
    return measured(5, 20, round);
  },
};

/** What some rounds of the same leave behind, after a few to warm up: resident set in MB, threads. */
async function measured(warmUp: number, rounds: number, round: () => Promise<void>): Promise<object> {
  const measure = async () => {
    for (let i = 0; i < 3; i++) {
      globalThis.gc?.();
      await new Promise((resolve) => setTimeout(resolve, 10)); // what a collection frees in the background
    }
    return { resident: process.memoryUsage.rss() / 2 ** 20, threads: threads() };
  };
  for (let i = 0; i < warmUp; i++) await round();
  const before = await measure();
  for (let i = 0; i < rounds; i++) await round();
  return { before, after: await measure() };
}

console.log(JSON.stringify(await programs[process.argv[2]!]!()));
