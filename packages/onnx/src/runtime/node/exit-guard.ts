/**
 * A process that ends tears its threads down, and aborts (SIGABRT) where one of them is inside onnxruntime. So at exit
 * each thread is told to enter it no more, and is waited for. Both threads see the same two numbers.
 */
export type ExitGuard = Int32Array<SharedArrayBuffer>;

/** Whether the thread is inside onnxruntime, and whether it may no longer enter. */
const [INSIDE, CLOSED] = [0, 1] as const;

/** As long as the longest run that an exit waits for; whatever takes longer may as well abort. */
const LONGEST_WAIT_MILLISECONDS = 30_000;

const guards = new Set<ExitGuard>();

/** A guard that is closed when the process exits. */
export function createExitGuard(): ExitGuard {
  const guard: ExitGuard = new Int32Array(new SharedArrayBuffer(8));
  if (guards.size === 0) process.on("exit", closeAll);
  guards.add(guard);
  return guard;
}

/** Forgets the guard of a thread that has ended. */
export function removeExitGuard(guard: ExitGuard): void {
  guards.delete(guard);
  if (guards.size === 0) process.off("exit", closeAll);
}

function closeAll(): void {
  for (const guard of guards) Atomics.store(guard, CLOSED, 1);
  for (const guard of guards) Atomics.wait(guard, INSIDE, 1, LONGEST_WAIT_MILLISECONDS);
}

/** In the thread: does what enters onnxruntime, unless the process is about to end; then it never answers. */
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
