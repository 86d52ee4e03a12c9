/** Gives memory for so many bytes of pixels. What it holds is undefined. */
export type Allocate = (bytes: number) => Uint8Array;

/** Memory that nothing else uses. */
export const newMemory: Allocate = (bytes) => new Uint8Array(bytes);

/** The most bytes that are kept for the next picture, and how often: as many as callers decode at a time. */
const MOST_BYTES = 1 << 20;
const MOST_KEPT = 4;

const kept: Uint8Array[] = [];

/**
 * Runs `work` with an allocator whose memory is that of the last pictures, and is used again when the work ends. New
 * memory for each picture takes longer to come, and to be collected, than the pixels take to be copied there.
 */
export async function withKeptMemory<T>(work: (allocate: Allocate) => Promise<T>): Promise<T> {
  let memory = kept.pop() ?? new Uint8Array(0);
  try {
    return await work((bytes) => {
      if (bytes > MOST_BYTES) return newMemory(bytes);
      if (bytes > memory.length) memory = newMemory(bytes);
      return memory.subarray(0, bytes);
    });
  } finally {
    if (kept.length < MOST_KEPT) kept.push(memory);
  }
}
