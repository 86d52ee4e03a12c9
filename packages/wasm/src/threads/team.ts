import type { Call } from "../calls.ts";
import type { Engine } from "../engine.ts";
import { type Pace, TURN } from "../slices.ts";

/**
 * What the threads of a run tell one another, in shared memory below the first address that a plan gives out: 32-bit
 * numbers, each in a cache line of its own.
 */
export type Control = Int32Array;

/** Threads that have done their part of the call. */
const ARRIVED = 0;
/** Counts calls; threads that wait sleep on it. */
const CALL = 32;
/** Tasks of the call that threads have taken. */
const NEXT = 64;
/** 1 once the caller, or a thread that failed, wants the run to end. */
const ABORTED = 96;
/** 1 once all threads are to end: they have to agree, since each waits for the others. */
const ENDED = 128;

/** Multiply-adds of a range at least, if there are several: some 10 µs. */
const LEAST_WORK = 250_000;

/** Ranges of a call for each thread: a thread that others hold up leaves the rest to the others. */
const RANGES = 4;

/** Looks at whether the others have come, before a thread sleeps: some 20 µs. To wake up takes longer. */
const LOOKS = 1000;

export function controlOf({ memory }: Engine): Control {
  return new Int32Array(memory.buffer, 0, 256);
}

/** Before a run, while no thread works on it. */
export function resetControl(control: Control): void {
  for (const at of [ARRIVED, NEXT, ABORTED, ENDED]) Atomics.store(control, at, 0);
}

/** Makes the threads of a run end it after the ranges that they are at. Takes no time. */
export function abortRun(control: Control): void {
  Atomics.store(control, ABORTED, 1);
}

/**
 * A thread's part of a run: of each call the ranges that it comes to take, and then it waits for the other threads.
 * Results do not depend on who takes what. Throws what a call throws, once the others know.
 */
export function takePart(engine: Engine, calls: readonly Call[], threads: number, pace: Pace): void {
  const control = controlOf(engine);
  let failure: { readonly error: unknown } | undefined;
  for (const call of calls) {
    try {
      takeRanges(engine, call, control, threads, pace);
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

/** Waits until all threads have come here. Answers whether the run goes on. */
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

/** Newer engines tell the processor that a loop waits. */
const { pause }: typeof Atomics & { readonly pause?: () => void } = Atomics;
