import { type Addresses, imagesIn, type Plan, scratchBytes } from "./plan.ts";

/** One phase of a kernel's work: the arguments of its function, and its tasks. Plain data. */
export interface Call {
  readonly kernel: string;
  readonly function: string;
  /** Addresses of the operands and of scratch memory, and images. */
  readonly values: readonly number[];
  /** Its tasks, which may be done in any order. */
  readonly first: number;
  readonly end: number;
  /** Multiply-adds (or numbers) of a task. */
  readonly work: number;
  /** Bytes of scratch memory of each thread, if threads do not share it. */
  readonly perThread?: number;
}

/** A call with the scratch memory of one of the threads, which are numbered from 0. */
export function ofThread(call: Call, thread: number): Call {
  const { perThread, values } = call;
  if (perThread === undefined || thread === 0) return call;
  const scratch = values.length - 2;
  return { ...call, values: values.with(scratch, values[scratch]! + thread * perThread) };
}

/** The calls of a run of a plan, in order. Each call ends before the next begins. */
export function callsOf({ steps }: Pick<Plan, "steps">, { of, scratch }: Addresses, batch: number): readonly Call[] {
  return steps.flatMap(({ kernel, images: own, reads, writes }, at) => {
    const images = imagesIn(own, batch);
    const values = [...[...reads, writes].map((place) => of[place]!), scratch[at]!, images];
    const phases = kernel.phases(images);
    const tasksInAll = phases.reduce((sum, { tasks }) => sum + tasks, 0);
    const work = Math.max(1, (kernel.work * images) / Math.max(1, tasksInAll));
    const perThread = kernel.isScratchPrivate && { perThread: scratchBytes(kernel, images) };
    return phases.map(({ function: name, first = 0, tasks }): Call => {
      return { kernel: kernel.name, function: name, values, first, end: first + tasks, work, ...perThread };
    });
  });
}

/** Multiply-adds and numbers of all calls. */
export function workOf(calls: readonly Call[]): number {
  return calls.reduce((sum, { first, end, work }) => sum + (end - first) * work, 0);
}

/**
 * For each phase of each kernel, enough tasks for some work: an engine optimizes a function once enough of it has run.
 */
export function warmUpCalls(calls: readonly Call[], work: number): readonly Call[] {
  const seen = new Map<string, Call>();
  for (const call of calls) {
    const key = `${call.kernel} ${call.function}`;
    const tasks = Math.min(call.end - call.first, Math.ceil(work / call.work));
    if (!seen.has(key)) seen.set(key, { ...call, end: call.first + tasks });
  }
  return [...seen.values()];
}
