import { growMemory, makeMemory, type WasmMemory } from "./engine.ts";

/**
 * Memories that nothing uses any more, and that the garbage collector has not taken yet. It takes its time, above all
 * for shared memories, of which V8 does not count the bytes: 300 of 64 MiB were all still there. So a memory is used
 * again where there is one.
 */
const spare = new Set<{ readonly isShared: boolean; readonly memory: WeakRef<WasmMemory> }>();

/** A memory of zeros, at least so large. Throws a RangeError where there is none. */
export function takeMemory(bytes: number, isShared: boolean): WasmMemory {
  for (const each of spare) {
    const memory = each.memory.deref();
    if (memory && each.isShared !== isShared) continue;
    spare.delete(each);
    if (!memory) continue;
    new Uint8Array(memory.buffer, 0, Math.min(bytes, memory.buffer.byteLength)).fill(0);
    growMemory(memory, bytes);
    return memory;
  }
  return makeMemory(bytes, isShared);
}

/** Once no thread uses it. */
export function giveMemory(memory: WasmMemory, isShared: boolean): void {
  spare.add({ isShared, memory: new WeakRef(memory) });
}
