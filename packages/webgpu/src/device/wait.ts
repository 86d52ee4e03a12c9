/** Milliseconds in which the device is asked at every turn of the event loop: as long as a run takes on a GPU. */
const AT_ONCE = 2;
/** The longest pause between two questions, in milliseconds. */
const SELDOM = 4;
/** Turns of the event loop that a question is open for at least. Dawn settles one in its second turn, if it can. */
const TURNS = 4;

/**
 * Maps a buffer once the work submitted so far is done with it. Rejects as `mapAsync` does.
 *
 * Dawn in Node asks the device whether it is done at every turn of the event loop for as long as any promise of WebGPU
 * is open, and so keeps a core busy. On an adapter that runs on the CPU that core is missing from the work waited for:
 * ResNet-18 on two cores takes 1.4 times as long. So a mapping that is not done after 2 ms is taken back, which the
 * specification allows, and asked for again after a pause: a sixteenth of the time waited so far, 4 ms at most.
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
    mapping.catch(() => {}); // awaited below, unless it was taken back
    for (let turns = 0; !isSettled && (turns < TURNS || elapsed() < AT_ONCE); turns++) await turn();
    if (isSettled) return mapping;
    buffer.unmap();
    await mapping.catch(() => {}); // Dawn stops asking once its promise is settled
    await new Promise((resolve) => setTimeout(resolve, Math.min(SELDOM, elapsed() / 16)));
  }
}

/** A place in the queue's order that can be waited for, as `mapWhenDone` waits. */
export interface Fence {
  /** To be called last, before the commands are submitted. */
  readonly mark: (commands: GPUCommandEncoder) => void;
  /** Resolves once the marked commands are done. To be called once. */
  readonly reached: () => Promise<void>;
}

/** A buffer is mapped, since that fails on a device that is lost, whose submitted work counts as done. */
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
 * Waits for what other threads of this process do while a model loads, such as compiling kernels, which cannot be taken
 * back: Dawn asks at every turn of the event loop, so this thread sleeps through 1 ms of each, and leaves them the
 * core.
 */
export async function napping<T>(work: Promise<T>): Promise<T> {
  const turn = turnOfNode();
  if (!turn) return work; // and a page may have no SharedArrayBuffer
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
 * Once round the event loop; undefined in browsers and in Deno, which ask devices without it. Deno answers a mapping
 * after 16 ms, and never one that is taken back before.
 */
function turnOfNode(): (() => Promise<void>) | undefined {
  const { setImmediate, Deno } = globalThis as { setImmediate?: (callback: () => void) => unknown; Deno?: object };
  if (!setImmediate || Deno) return undefined;
  return () => new Promise((resolve) => setImmediate(resolve));
}
