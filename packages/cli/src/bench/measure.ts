import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { dirname } from "node:path";
import { env as environment } from "node:process";
import { abortError, ResidualError, type Signal } from "@residual/core";
import type { Answer, Cost, Order, Task } from "./protocol.ts";

/** What was measured of one candidate on one model. Milliseconds; bytes. */
export interface Measurement {
  readonly candidate: string;
  readonly model: string;
  readonly batch: number;
  /** From the weights' file on disk to ready. */
  readonly load: Cost;
  readonly first: Cost;
  readonly median: Cost;
  readonly p95: Cost;
  readonly imagesPerSecond: number;
  readonly peakMemory: number;
  /** The first candidate's median over this one's: above 1, this one is quicker. */
  readonly ratio: Cost;
  /** The largest difference of its logits from the first candidate's, of the largest logit. */
  readonly difference: number;
  readonly runs: number;
}

/** A candidate that could not be measured, in its own words. */
class CandidateError extends ResidualError {
  readonly code: string;

  constructor(candidate: string, code: string, message: string) {
    super(`${candidate}: ${message}`);
    this.code = code;
  }
}

interface Runs {
  readonly task: Task;
  readonly loaded: Extract<Answer, { kind: "loaded" }>;
  readonly costs: readonly Cost[];
  readonly peakMemory: number;
}

/**
 * Every candidate in a process of its own, loaded one after the other, then run in turn: A B C A B C …, so that what
 * drifts in the machine drifts for all of them. `rounds` turns of `times` runs each, after one turn that is not counted.
 */
export async function measure(
  tasks: readonly Task[],
  rounds: number,
  times: number,
  signal: Signal,
): Promise<Measurement[]> {
  const children = tasks.map(start);
  const stop = () => {
    for (const { process } of children) process.kill("SIGKILL");
  };
  signal.addEventListener("abort", stop, { once: true });
  try {
    const loaded: Extract<Answer, { kind: "loaded" }>[] = [];
    for (const child of children) loaded.push(await ask(child, { do: "load" }, "loaded"));
    const costs: Cost[][] = tasks.map(() => []);
    for (let round = 0; round <= rounds; round++) {
      for (const [i, child] of children.entries()) {
        const ran = await ask(child, { do: "run", times }, "ran");
        if (round > 0) costs[i]!.push(...ran.costs);
      }
    }
    const ends = await Promise.all(children.map((child) => ask(child, { do: "end" }, "ended")));
    return compare(
      tasks.map((task, i) => ({ task, loaded: loaded[i]!, costs: costs[i]!, peakMemory: ends[i]!.peakMemory })),
    );
  } catch (error) {
    throw signal.aborted ? abortError(signal) : error;
  } finally {
    signal.removeEventListener("abort", stop);
    stop();
    await Promise.allSettled(children.map(({ gone }) => gone));
  }
}

/** A process, the candidate that it runs, and its end, which no answer comes after. */
interface Child {
  readonly candidate: string;
  readonly process: ChildProcess;
  readonly gone: Promise<never>;
}

function start(task: Task): Child {
  const child = import.meta.url.endsWith(".ts") ? "./child.ts" : "./child.js";
  const execArgv = ["--conditions=@residual/source"]; // in a clone; elsewhere no package knows that condition
  const folder = dirname(task.files.onnx);
  const process = fork(new URL(child, import.meta.url), [JSON.stringify(task)], {
    execArgv,
    env: { ...environment, TMPDIR: folder, TEMP: folder, TMP: folder }, // a process that is killed tidies nothing up
    stdio: ["ignore", 2, "inherit", "ipc"], // what a library prints must not get between our JSON
  });
  const { candidate } = task;
  const gone = once(process, "exit").then(([code, signal]) => {
    throw new CandidateError(candidate, "InternalError", `its process ended with ${code ?? signal}`);
  });
  gone.catch(() => {}); // at the end each is gone, and nobody waits for it
  return { candidate, process, gone };
}

async function ask<Kind extends Answer["kind"]>(
  { candidate, process, gone }: Child,
  order: Order,
  _kind: Kind, // for the compiler: each order has its own kind of answer
): Promise<Extract<Answer, { kind: Kind }>> {
  process.send(order, () => {}); // where it cannot be sent, the process is gone
  const [answer] = (await Promise.race([once(process, "message"), gone])) as [Answer];
  if (answer.kind === "failed") throw new CandidateError(candidate, answer.code, answer.message);
  return answer as Extract<Answer, { kind: Kind }>;
}

function compare(all: readonly Runs[]): Measurement[] {
  const base = all[0]!;
  const baseline = quantile(base.costs, 0.5);
  const largest = Math.max(...base.loaded.logits.map(Math.abs));
  return all.map(({ task, loaded, costs, peakMemory }) => {
    const median = quantile(costs, 0.5);
    const batch = task.input[0]!;
    return {
      candidate: task.candidate,
      model: task.model,
      batch,
      load: loaded.load,
      first: loaded.first,
      median,
      p95: quantile(costs, 0.95),
      imagesPerSecond: (1e3 * batch) / median.wall,
      peakMemory,
      ratio: { wall: baseline.wall / median.wall, cpu: baseline.cpu / median.cpu },
      difference: Math.max(...loaded.logits.map((value, i) => Math.abs(value - base.loaded.logits[i]!))) / largest,
      runs: costs.length,
    };
  });
}

function quantile(costs: readonly Cost[], share: number): Cost {
  const at = (values: number[]) =>
    values.sort((a, b) => a - b)[Math.min(Math.floor(share * values.length), values.length - 1)]!;
  return { wall: at(costs.map(({ wall }) => wall)), cpu: at(costs.map(({ cpu }) => cpu)) };
}
