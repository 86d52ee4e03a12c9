import type { Call } from "./calls.ts";
import type { Engine } from "./engine.ts";

/** Milliseconds of a time slice, after which the thread yields. */
export const TURN = 8;

/** Resolution of browsers' clocks, in milliseconds. */
const CLOCK = 0.1;

/** Chooses the number of tasks that take a few milliseconds, from earlier times. */
export class Pace {
  /** Milliseconds per unit of work, by kernel and function. */
  readonly #known = new Map<string, number>();

  /** At least one task; exactly one of a kernel that was never timed. */
  tasksIn({ kernel, function: name, work }: Call, milliseconds: number): number {
    const known = this.#known.get(`${kernel} ${name}`) ?? Infinity;
    return Math.max(1, Math.floor(milliseconds / (known * work)));
  }

  /** Does tasks of a call, and records their time. */
  do(engine: Engine, call: Call, first: number, end: number): void {
    const begin = performance.now();
    engine.call(call.kernel, call.function, [...call.values, first, end]);
    this.#learn(call, end - first, performance.now() - begin);
  }

  /** A time below the clock's resolution is only an upper bound. */
  #learn({ kernel, function: name, work }: Call, tasks: number, elapsed: number): void {
    const key = `${kernel} ${name}`;
    const found = Math.max(elapsed, CLOCK) / (tasks * work);
    const known = this.#known.get(key) ?? Infinity;
    this.#known.set(key, elapsed >= CLOCK ? found : Math.min(known, found));
  }
}

/** Milliseconds after which a run no longer counts as following the previous one directly. */
const PAUSE = 0.5;

/** The current turn of this thread; consecutive runs share it. */
const turn = { end: 0, left: -Infinity };

/** Does all calls on this thread, in slices. `breathe` yields to the event loop, and throws to end the run. */
export async function runInSlices(
  engine: Engine,
  calls: readonly Call[],
  pace: Pace,
  breathe: () => Promise<void>,
): Promise<void> {
  const begin = performance.now();
  if (begin - turn.left > PAUSE) turn.end = begin + TURN;
  for (const call of calls) {
    for (let first = call.first; first < call.end; ) {
      if (turn.end - performance.now() < TURN / 8) {
        await breathe();
        turn.end = performance.now() + TURN;
      }
      const next = Math.min(call.end, first + pace.tasksIn(call, turn.end - performance.now()));
      pace.do(engine, call, first, next);
      first = next;
    }
  }
  turn.left = performance.now();
}

declare const performance: { now(): number };
/** Node, Deno and Bun have it; pages do not. */
declare const setImmediate: ((callback: () => void) => void) | undefined;
declare class MessageChannel {
  readonly port1: { onmessage: (() => void) | null; close(): void };
  readonly port2: { postMessage(message: undefined): void };
}

/** Yields to the event loop. A timer would take a millisecond or more, and Node's MessageChannel four. */
export function nextTurn(): Promise<void> {
  return new Promise((resolve) => {
    if (typeof setImmediate === "function") {
      setImmediate(resolve);
      return;
    }
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => {
      port1.close();
      resolve();
    };
    port2.postMessage(undefined);
  });
}
