/**
 * How long the device is polled in every turn of the event loop, in milliseconds: about as long as a run takes on a
 * GPU.
 */
const AT_ONCE = 2;
/** The longest pause between two polls, in milliseconds. */
const SELDOM = 4;
/**
 * The minimum turns of the event loop that a mapping stays requested. Dawn settles a mapping in its second turn, if the
 * work is done.
 */
const TURNS = 4;

/**
 * Maps a buffer once the work submitted so far is done. Rejects as `mapAsync` does.
 *
 * While any promise of WebGPU is pending, Dawn in Node polls the device in every turn of the event loop, which keeps a
 * core busy. If the adapter runs on the CPU, its work lacks that core: ResNet-18 on two cores takes 1.4 times as long.
 * So a mapping that is not done after 2 ms is cancelled by `unmap`, as the specification allows, and requested again
 * after a pause. The pause is a sixteenth of the time waited so far, at most 4 ms.
 */
export async function mapWhenDone(buffer: Pick<GPUBuffer, "mapAsync" | "unmap">, mode: GPUMapModeFlags): Promise<void> {
  const turn = turnOfNode();
  if (!turn) return buffer.mapAsync(mode);
  const begun = performance.now();
  const elapsed = () => performance.now() - begun;
  for (;;) {
    let isSettled = false;
    const mapping = buffer.mapAsync(mode).finally(() => {
      isSettled = true;
    });
    mapping.catch(() => {}); // awaited below, unless it is cancelled
    for (let turns = 0; !isSettled && (turns < TURNS || elapsed() < AT_ONCE); turns++) await turn();
    if (isSettled) return mapping;
    buffer.unmap();
    await mapping.catch(() => {}); // Dawn stops polling once the promise is settled
    await new Promise((resolve) => setTimeout(resolve, Math.min(SELDOM, elapsed() / 16)));
  }
}

/** A point in the queue that can be awaited. It is awaited by `mapWhenDone`. */
export interface Fence {
  /** Call it last, before the commands are submitted. */
  readonly mark: (commands: GPUCommandEncoder) => void;
  /** Resolves once the marked commands are done. Call it once. */
  readonly reached: () => Promise<void>;
}

/**
 * Makes a fence. The fence maps a buffer, since a mapping rejects if the device is lost. `onSubmittedWorkDone` would
 * resolve.
 */
export function fenceOn(device: GPUDevice): Fence {
  const usage = GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST;
  const buffer = device.createBuffer({ label: "fence", size: 4, usage });
  return {
    mark: (commands) => commands.clearBuffer(buffer),
    reached: () => mapWhenDone(buffer, GPUMapMode.READ).finally(() => buffer.destroy()),
  };
}

/** Milliseconds that the thread sleeps in each turn of the event loop. */
const NAP = 1;

/**
 * Waits for work of other threads of this process, such as compiling kernels while a model loads. Such work cannot be
 * cancelled and requested again, and Dawn polls in every turn of the event loop. So this thread sleeps for 1 ms of each
 * turn, and leaves the core to the other threads.
 */
export async function napping<T>(work: Promise<T>): Promise<T> {
  const turn = turnOfNode();
  if (!turn) return work; // browsers do not poll, and a page may lack SharedArrayBuffer
  const nobody = new Int32Array(new SharedArrayBuffer(4));
  let isSettled = false;
  const settle = () => {
    isSettled = true;
  };
  work.then(settle, settle);
  while (!isSettled) {
    await turn();
    if (!isSettled) Atomics.wait(nobody, 0, 0, NAP);
  }
  return work;
}

/**
 * Waits for one turn of the event loop. Undefined in browsers and in Deno, which poll devices without it. Deno answers
 * a mapping after 16 ms, and never answers one that is cancelled before.
 */
function turnOfNode(): (() => Promise<void>) | undefined {
  const { setImmediate, Deno } = globalThis as { setImmediate?: (callback: () => void) => unknown; Deno?: object };
  if (!setImmediate || Deno) return undefined;
  return () => new Promise((resolve) => setImmediate(resolve));
}
