import { growMemory, makeMemory, PAGE, type WasmMemory } from "./engine.ts";

/**
 * Unused memories for reuse. The garbage collector frees them late, above all shared memories, whose bytes V8 does not
 * count: 300 unused memories of 64 MiB were all still allocated.
 */
const spare = new Set<Spare>();

interface Spare {
  readonly isShared: boolean;
  readonly memory: WeakRef<WasmMemory>;
}

/**
 * A memory cannot shrink. A spare one that is larger than this multiple of the requested size is left to the garbage
 * collector, so that a small model does not keep the memory of a large one.
 */
const MOST_TIMES = 4;

/** A zero-filled memory of at least this size. Throws RangeError if the allocation fails. */
export function takeMemory(bytes: number, isShared: boolean): WasmMemory {
  const found = largestSpare(MOST_TIMES * Math.max(bytes, PAGE), isShared);
  if (!found) return makeMemory(bytes, isShared);
  new Uint8Array(found.buffer, 0, Math.min(bytes, found.buffer.byteLength)).fill(0);
  growMemory(found, bytes);
  return found;
}

/** Takes the largest spare memory: growing a small one would leave a large one unused. */
function largestSpare(mostBytes: number, isShared: boolean): WasmMemory | undefined {
  let largest: { readonly key: Spare; readonly memory: WasmMemory } | undefined;
  for (const key of spare) {
    const memory = key.memory.deref();
    if (!memory) spare.delete(key);
    if (!memory || key.isShared !== isShared || memory.buffer.byteLength > mostBytes) continue;
    if (!largest || memory.buffer.byteLength > largest.memory.buffer.byteLength) largest = { key, memory };
  }
  if (largest) spare.delete(largest.key);
  return largest?.memory;
}

/** Called once no thread uses the memory. */
export function giveMemory(memory: WasmMemory, isShared: boolean): void {
  spare.add({ isShared, memory: new WeakRef(memory) });
}
