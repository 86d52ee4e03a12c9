/**
 * A process that ends tears its threads down, and aborts (SIGABRT) where one of them is inside onnxruntime. So at exit
 * each worker is told to begin nothing more, and is waited for. Both threads see the same two numbers.
 */
export type Gate = Int32Array<SharedArrayBuffer>;

/** Whether the worker is inside onnxruntime, and whether it may no longer enter. */
const [INSIDE, CLOSED] = [0, 1] as const;

/** As long as the longest run that an exit waits for; whatever takes longer may as well abort. */
const LONGEST_WAIT_MILLISECONDS = 30_000;

const gates = new Set<Gate>();

/** A gate that is closed when the process exits. */
export function openGate(): Gate {
  const gate: Gate = new Int32Array(new SharedArrayBuffer(8));
  if (gates.size === 0) process.on("exit", closeAll);
  gates.add(gate);
  return gate;
}

/** Forgets the gate of a worker that has ended. */
export function removeGate(gate: Gate): void {
  gates.delete(gate);
  if (gates.size === 0) process.off("exit", closeAll);
}

function closeAll(): void {
  for (const gate of gates) Atomics.store(gate, CLOSED, 1);
  for (const gate of gates) Atomics.wait(gate, INSIDE, 1, LONGEST_WAIT_MILLISECONDS);
}

/** In the worker: does what enters onnxruntime, unless the process is about to end; then it never answers. */
export async function enter<T>(gate: Gate, work: () => Promise<T>): Promise<T> {
  Atomics.store(gate, INSIDE, 1);
  try {
    if (Atomics.load(gate, CLOSED) === 1) return await new Promise<never>(() => leave(gate));
    return await work();
  } finally {
    leave(gate);
  }
}

function leave(gate: Gate): void {
  Atomics.store(gate, INSIDE, 0);
  Atomics.notify(gate, INSIDE);
}
