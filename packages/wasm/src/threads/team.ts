import { type Call, ofThread } from "../calls.ts";
import type { Engine } from "../engine.ts";
import { type Pace, TURN } from "../slices.ts";

/**
 * The shared state of a run's threads, in memory below the first address of a plan: 32-bit numbers, each in a separate
 * cache line.
 */
export type Control = Int32Array;

/** Number of threads that have finished their part of the call. */
const ARRIVED = 0;
/** Counts calls; waiting threads sleep on it. */
const CALL = 32;
/** Number of tasks of the call that threads have taken. */
const NEXT = 64;
/** 1 once the caller, or a thread that failed, wants to end the run. */
const ABORTED = 96;
/** 1 once all threads must end: they decide together, since each waits for the others. */
const ENDED = 128;

/** The least multiply-adds of a range, unless there is only one: about 10 µs. */
const LEAST_WORK = 250_000;

/** Ranges of a call per thread: a delayed thread leaves the rest to the others. */
const RANGES = 4;

/** Checks whether the others have arrived, before a thread sleeps: about 20 µs. Waking up takes longer. */
const LOOKS = 1000;

export function controlOf({ memory }: Engine): Control {
  return new Int32Array(memory.buffer, 0, 256);
}

/** Called before a run, while no thread works on it. */
export function resetControl(control: Control): void {
  for (const at of [ARRIVED, NEXT, ABORTED, ENDED]) Atomics.store(control, at, 0);
}

/** Tells the threads of a run to stop after their current ranges. Does not wait. */
export function abortRun(control: Control): void {
  Atomics.store(control, ABORTED, 1);
}

/**
 * A thread's part of a run: it takes ranges of each call, and then waits for the other threads. Results do not depend
 * on which thread takes which range. Rethrows the error of a call once the others know of it.
 */
export function takePart(
  engine: Engine,
  calls: readonly Call[],
  { threads, index }: { readonly threads: number; readonly index: number },
  pace: Pace,
): void {
  const control = controlOf(engine);
  let failure: { readonly error: unknown } | undefined;
  for (const call of calls) {
    try {
      takeRanges(engine, ofThread(call, index), control, threads, pace);
    } catch (error) {
      failure = { error };
      abortRun(control);
    }
    if (!meet(control, threads)) break;
  }
  if (failure) throw failure.error;
}

function takeRanges(engine: Engine, call: Call, control: Control, threads: number, pace: Pace): void {
  const { first, end, work } = call;
  const fair = Math.ceil((end - first) / threads);
  const range = Math.min(fair, Math.max(Math.ceil(fair / RANGES), Math.ceil(LEAST_WORK / work)));
  while (Atomics.load(control, ABORTED) === 0) {
    const count = Math.min(range, pace.tasksIn(call, TURN));
    const from = first + Atomics.add(control, NEXT, count);
    if (from >= end) break;
    pace.do(engine, call, from, Math.min(from + count, end));
  }
}

/** Waits until all threads have arrived. Returns whether the run continues. */
function meet(control: Control, threads: number): boolean {
  const call = Atomics.load(control, CALL);
  if (Atomics.add(control, ARRIVED, 1) === threads - 1) {
    Atomics.store(control, ARRIVED, 0);
    Atomics.store(control, NEXT, 0);
    Atomics.store(control, ENDED, Atomics.load(control, ABORTED));
    Atomics.add(control, CALL, 1);
    Atomics.notify(control, CALL);
  } else {
    for (let look = 0; look < LOOKS && Atomics.load(control, CALL) === call; look++) pause?.();
    while (Atomics.load(control, CALL) === call) Atomics.wait(control, CALL, call);
  }
  return Atomics.load(control, ENDED) === 0;
}

/** Newer engines tell the processor that this is a waiting loop. */
const { pause }: typeof Atomics & { readonly pause?: () => void } = Atomics;
