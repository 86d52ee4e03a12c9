import { growMemory, makeMemory, PAGE, type WasmMemory } from "./engine.ts";

/**
 * Memories that nothing uses any more, and that the garbage collector has not taken yet. It takes its time, above all
 * for shared memories, of which V8 does not count the bytes: 300 of 64 MiB were all still there. So a memory is used
 * again where there is one.
 */
const spare = new Set<Spare>();

interface Spare {
  readonly isShared: boolean;
  readonly memory: WeakRef<WasmMemory>;
}

/**
 * A memory does not shrink: one that is larger than this many times what is asked for is left to the garbage collector,
 * so that a small model does not keep the memory of a large one.
 */
const MOST_TIMES = 4;

/** A memory of zeros, at least so large. Throws a RangeError where there is none. */
export function takeMemory(bytes: number, isShared: boolean): WasmMemory {
  const found = largestSpare(MOST_TIMES * Math.max(bytes, PAGE), isShared);
  if (!found) return makeMemory(bytes, isShared);
  new Uint8Array(found.buffer, 0, Math.min(bytes, found.buffer.byteLength)).fill(0);
  growMemory(found, bytes);
  return found;
}

/** No longer spare. The largest: to grow a small one would leave a large one unused. */
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

/** Once no thread uses it. */
export function giveMemory(memory: WasmMemory, isShared: boolean): void {
  spare.add({ isShared, memory: new WeakRef(memory) });
}
