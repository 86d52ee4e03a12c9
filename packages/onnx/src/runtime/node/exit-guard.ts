/**
 * A process that exits terminates its threads, and aborts (SIGABRT) if one of them is executing onnxruntime. So at exit
 * each thread is told not to call onnxruntime any more, and the main thread waits for it. Both threads share two
 * numbers.
 */
export type ExitGuard = Int32Array<SharedArrayBuffer>;

/** Whether the thread is inside onnxruntime, and whether it may still enter. */
const [INSIDE, CLOSED] = [0, 1] as const;

/** The longest run that an exit waits for; longer runs abort the process. */
const LONGEST_WAIT_MILLISECONDS = 30_000;

const guards = new Set<ExitGuard>();

/** A guard that is closed when the process exits. */
export function createExitGuard(): ExitGuard {
  const guard: ExitGuard = new Int32Array(new SharedArrayBuffer(8));
  if (guards.size === 0) process.on("exit", closeAll);
  guards.add(guard);
  return guard;
}

/** Removes the guard of a thread that has ended. */
export function removeExitGuard(guard: ExitGuard): void {
  guards.delete(guard);
  if (guards.size === 0) process.off("exit", closeAll);
}

function closeAll(): void {
  for (const guard of guards) Atomics.store(guard, CLOSED, 1);
  for (const guard of guards) Atomics.wait(guard, INSIDE, 1, LONGEST_WAIT_MILLISECONDS);
}

/** In the worker: runs a call into onnxruntime, unless the process is exiting; then it never settles. */
export async function whileGuarded<T>(guard: ExitGuard, work: () => Promise<T>): Promise<T> {
  Atomics.store(guard, INSIDE, 1);
  try {
    if (Atomics.load(guard, CLOSED) === 1) return await new Promise<never>(() => leave(guard));
    return await work();
  } finally {
    leave(guard);
  }
}

function leave(guard: ExitGuard): void {
  Atomics.store(guard, INSIDE, 0);
  Atomics.notify(guard, INSIDE);
}
