import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { createReadStream } from "node:fs";
import { dirname } from "node:path";
import { env as environment } from "node:process";
import { abortError, ResidualError, type Signal, throwIfAborted } from "@residual/core";
import type { BenchReply, Cost, Order, Task } from "./protocol.ts";

/** Measurements of one candidate on one model, in milliseconds and bytes. */
export interface Measurement {
  readonly candidate: string;
  readonly model: string;
  readonly batch: number;
  /** From the weights file on disk to ready, including the import of the runtime. Median of the loads. */
  readonly load: Cost;
  readonly first: Cost;
  /** From the weights file on disk to the first answer. Median of the loads. */
  readonly start: Cost;
  readonly median: Cost;
  readonly p95: Cost;
  readonly imagesPerSecond: number;
  readonly peakMemory: number;
  /**
   * The first candidate's time divided by this one's, turn by turn; the median of these ratios. Above 1, this one is
   * faster.
   */
  readonly ratio: Cost;
  /** The same ratio for `start`, load by load. */
  readonly startRatio: Cost;
  /** The first candidate's peak memory divided by this one's. */
  readonly memoryRatio: number;
  /** The largest difference of its logits from the first candidate's, relative to the largest logit. */
  readonly difference: number;
  readonly runs: number;
}

/** The error of a candidate that could not be measured. */
class CandidateError extends ResidualError {
  readonly code: string;

  constructor(candidate: string, code: string, message: string) {
    super(`${candidate}: ${message}`);
    this.code = code;
  }
}

/** The measurements of one load in a separate process. */
interface Loaded {
  readonly load: Cost;
  readonly first: Cost;
  readonly logits: readonly number[];
  readonly peakMemory: number;
}

interface Runs {
  readonly task: Task;
  readonly loads: readonly Loaded[];
  /** The costs of the runs of each turn. */
  readonly turns: readonly (readonly Cost[])[];
}

/**
 * Every candidate in a separate process, in turn: A B C A B C …, so that changes of the machine's speed affect all.
 * First each is loaded and ended, `loads` times, since the memory of a remaining process would affect the next one.
 * Then all processes stay, for one warm-up turn and `rounds` turns of `times` runs each.
 */
export async function measure(
  tasks: readonly Task[],
  { rounds, times, loads }: { readonly rounds: number; readonly times: number; readonly loads: number },
  signal: Signal,
): Promise<Measurement[]> {
  const loaded: Loaded[][] = tasks.map(() => []);
  for (let load = 0; load < loads; load++) {
    for (const [i, task] of tasks.entries()) {
      await withProcesses([task], signal, async ([child]) => loaded[i]!.push(await loadAndEnd(child!, task)));
    }
  }
  return withProcesses(tasks, signal, async (children) => {
    for (const child of children) await ask(child, { do: "load" }, "loaded");
    const turns: Cost[][][] = tasks.map(() => []);
    for (let round = 0; round <= rounds; round++) {
      for (const [i, child] of children.entries()) {
        const ran = await ask(child, { do: "run", times }, "ran");
        if (round > 0) turns[i]!.push([...ran.costs]);
      }
    }
    return compare(tasks.map((task, i) => ({ task, loads: loaded[i]!, turns: turns[i]! })));
  });
}

async function loadAndEnd(child: Child, { files }: Task): Promise<Loaded> {
  await intoPageCache(files);
  const { load, first, logits } = await ask(child, { do: "load" }, "loaded");
  const { peakMemory } = await ask(child, { do: "end" }, "ended");
  return { load, first, logits, peakMemory };
}

/** Starts a process for each task, and ends all processes when the work settles. */
async function withProcesses<T>(
  tasks: readonly Task[],
  signal: Signal,
  work: (children: readonly Child[]) => Promise<T>,
): Promise<T> {
  throwIfAborted(signal);
  const children = tasks.map(start);
  const stop = () => {
    for (const { process } of children) process.kill("SIGKILL");
  };
  signal.addEventListener("abort", stop, { once: true });
  try {
    return await work(children);
  } catch (error) {
    throw signal.aborted ? abortError(signal) : error;
  } finally {
    signal.removeEventListener("abort", stop);
    stop();
    await Promise.allSettled(children.map(({ gone }) => gone));
  }
}

/** A process, its candidate, and its end, after which no reply comes. */
interface Child {
  readonly candidate: string;
  readonly process: ChildProcess;
  readonly gone: Promise<never>;
}

function start(task: Task): Child {
  const inClone = import.meta.url.endsWith(".ts");
  const child = inClone ? "./child.ts" : "./child.js";
  const execArgv = inClone ? ["--conditions=@residual/source"] : [];
  const folder = dirname(task.files.onnx);
  const process = fork(new URL(child, import.meta.url), [JSON.stringify(task)], {
    execArgv,
    // A killed process cleans nothing up. Telemetry is off for peers too.
    env: { ...environment, TMPDIR: folder, TEMP: folder, TMP: folder, ORT_DISABLE_TELEMETRY: "1" },
    stdio: ["ignore", 2, "inherit", "ipc"], // a library's output must not mix with our JSON
  });
  const { candidate } = task;
  const gone = once(process, "exit").then(([code, signal]) => {
    throw endedEarly(candidate, code as number | null, signal as NodeJS.Signals | null);
  });
  gone.catch(() => {}); // at the end all processes are gone, and nobody waits
  return { candidate, process, gone };
}

/** Linux ends a process that uses too much memory by SIGKILL; V8 aborts the process. Exit codes as in a shell. */
function endedEarly(candidate: string, code: number | null, signal: NodeJS.Signals | null): CandidateError {
  const found = `its process ended with ${code ?? signal}`;
  const isMemory = signal === "SIGKILL" || signal === "SIGABRT" || code === 134 || code === 137;
  if (!isMemory) return new CandidateError(candidate, "InternalError", found);
  return new CandidateError(candidate, "OutOfMemoryError", `${found}, as for want of memory; give a smaller --batch`);
}

async function ask<Kind extends BenchReply["kind"]>(
  { candidate, process, gone }: Child,
  order: Order,
  _kind: Kind, // only for the compiler: each order has its own kind of reply
): Promise<Extract<BenchReply, { kind: Kind }>> {
  process.send(order, () => {}); // if it cannot be sent, the process has ended
  const [answer] = (await Promise.race([once(process, "message"), gone])) as [BenchReply];
  if (answer.kind === "failed") throw new CandidateError(candidate, answer.code, answer.message);
  return answer as Extract<BenchReply, { kind: Kind }>;
}

function compare(all: readonly Runs[]): Measurement[] {
  const base = all[0]!;
  const baseStarts = base.loads.map(startOf);
  const expected = base.loads[0]!.logits;
  const largest = Math.max(...expected.map(Math.abs));
  return all.map(({ task, loads, turns }) => {
    const costs = turns.flat();
    const median = quantile(costs, 0.5);
    const batch = task.input[0]!;
    const ratios = turns.map((turn, i) => ratioOf(quantile(base.turns[i]!, 0.5), quantile(turn, 0.5)));
    const starts = loads.map(startOf);
    const peakMemory = peakOf(loads);
    return {
      candidate: task.candidate,
      model: task.model,
      batch,
      load: quantile(
        loads.map(({ load }) => load),
        0.5,
      ),
      first: quantile(
        loads.map(({ first }) => first),
        0.5,
      ),
      start: quantile(starts, 0.5),
      median,
      p95: quantile(costs, 0.95),
      imagesPerSecond: (1e3 * batch) / median.wall,
      peakMemory,
      ratio: quantile(ratios, 0.5),
      startRatio: quantile(
        starts.map((start, i) => ratioOf(baseStarts[i]!, start)),
        0.5,
      ),
      memoryRatio: peakOf(base.loads) / peakMemory,
      difference: Math.max(...loads[0]!.logits.map((value, i) => Math.abs(value - expected[i]!))) / largest,
      runs: costs.length,
    };
  });
}

function startOf({ load, first }: Loaded): Cost {
  return { wall: load.wall + first.wall, cpu: load.cpu + first.cpu };
}

function peakOf(loads: readonly Loaded[]): number {
  return Math.max(...loads.map(({ peakMemory }) => peakMemory));
}

function ratioOf(base: Cost, other: Cost): Cost {
  return { wall: base.wall / other.wall, cpu: base.cpu / other.cpu };
}

/** Reads the files once, so that the disk and the system's cache do not affect the loads. */
async function intoPageCache({ safetensors, onnx }: Task["files"]): Promise<void> {
  for (const file of [safetensors, onnx]) for await (const _ of createReadStream(file, { highWaterMark: 1 << 20 }));
}

function quantile(costs: readonly Cost[], share: number): Cost {
  const at = (values: number[]) =>
    values.sort((a, b) => a - b)[Math.min(Math.floor(share * values.length), values.length - 1)]!;
  return { wall: at(costs.map(({ wall }) => wall)), cpu: at(costs.map(({ cpu }) => cpu)) };
}
