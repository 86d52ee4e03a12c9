import { formatShape, sizeOf } from "@residual/core";
import type { Kernel, Memory } from "./kernels/kernel.ts";

/** Where numbers lie before memory is given out: in an input, a constant of the graph, or what a dispatch computes. */
export type Storage =
  | { readonly kind: "input"; readonly name: string }
  | { readonly kind: "constant"; readonly name: string }
  | { readonly kind: "value"; readonly id: number };

/** One run of a kernel, for one node. */
export interface Dispatch {
  readonly node: string;
  readonly kernel: Kernel;
  readonly inputs: readonly Storage[];
  /** The value that it computes. */
  readonly output: number;
  readonly shape: readonly number[];
  /** That the output takes on the device, and what it lies in. */
  readonly bytes: number;
  readonly memory: Memory;
  /** Those of the kernel, as bits. */
  readonly params: Uint32Array<ArrayBuffer>;
  readonly workgroups: readonly [x: number, y: number, z: number];
}

export interface Output {
  readonly storage: Storage;
  readonly shape: readonly number[];
}

/** A buffer, or a texture, that values share. */
interface Slot {
  readonly memory: Memory;
  readonly bytes: number;
}

/** What a graph is for a GPU: plain data, made without one. */
export interface Plan {
  readonly dispatches: readonly Dispatch[];
  readonly outputs: { readonly [name: string]: Output };
  readonly slots: readonly Slot[];
  /** Which of them each value lies in, by its id. */
  readonly slotOf: readonly number[];
}

/** Bytes of a float32 tensor in the host's order; never less than a vec4, as the smallest that a kernel binds. */
export function bytesOf(shape: readonly number[]): number {
  return Math.max(16, 4 * sizeOf(shape));
}

/**
 * Gives memory to values by the time that they live: a buffer is another's again after its value's last reader. One that a
 * dispatch reads is not the one that it writes, which WebGPU forbids. Best fit, since large and small values take turns.
 */
export function planOf(dispatches: readonly Dispatch[], outputs: Plan["outputs"]): Plan {
  const last = lastReaders(dispatches, outputs);
  const slots: Slot[] = [];
  const free: number[] = [];
  const slotOf: number[] = [];
  for (const [time, { output, bytes, memory, inputs }] of dispatches.entries()) {
    slotOf[output] = take({ bytes, memory }, slots, free);
    for (const id of new Set(inputs.flatMap(idOf))) if (last[id] === time) free.push(slotOf[id]!);
    if (last[output] === undefined) free.push(slotOf[output]);
  }
  return { dispatches, outputs, slots, slotOf };
}

function take({ bytes, memory }: Slot, slots: Slot[], free: number[]): number {
  const bytesOf = (slot: number) => slots[slot]!.bytes;
  const alike = free.filter((slot) => slots[slot]!.memory === memory).sort((a, b) => bytesOf(a) - bytesOf(b));
  const slot = alike.find((each) => bytesOf(each) >= bytes) ?? alike.at(-1); // one that is too small grows: values of the past had less
  if (slot === undefined) return slots.push({ bytes, memory }) - 1;
  free.splice(free.indexOf(slot), 1);
  slots[slot] = { memory, bytes: Math.max(bytesOf(slot), bytes) };
  return slot;
}

/** When each value is read last; outputs are read after all. */
function lastReaders(dispatches: readonly Dispatch[], outputs: Plan["outputs"]): readonly (number | undefined)[] {
  const last: (number | undefined)[] = [];
  for (const [time, { inputs }] of dispatches.entries()) for (const id of inputs.flatMap(idOf)) last[id] = time;
  for (const { storage } of Object.values(outputs)) for (const id of idOf(storage)) last[id] = Infinity;
  return last;
}

function idOf(storage: Storage): number[] {
  return storage.kind === "value" ? [storage.id] : [];
}

/** A plan to be read: a dispatch a line, and the memory that it comes to. */
export function printPlan({ dispatches, slots, slotOf }: Plan): string {
  const place = (storage: Storage) => (storage.kind === "value" ? `#${slotOf[storage.id]}` : storage.name);
  const lines = dispatches.map(
    ({ node, kernel, inputs, output, shape }) =>
      `${node}: ${kernel.name}(${inputs.map(place).join(", ")}) -> #${slotOf[output]} ${formatShape(shape)}`,
  );
  const total = slots.reduce((sum, { bytes }) => sum + bytes, 0);
  const memories = [...new Set(slots.map(({ memory }) => memory))].sort();
  const counts = memories.map((memory) => `${slots.filter((slot) => slot.memory === memory).length} ${memory}`);
  return [...lines, `${counts.join(", ")}, ${total.toLocaleString("en-US")} bytes`].join("\n");
}

/** A kernel's WGSL. */
export interface Program {
  readonly name: string;
  readonly wgsl: string;
}

/** The programs of a plan, each once. */
export function programsOf({ dispatches }: Plan): readonly Program[] {
  const programs = new Map(dispatches.map(({ kernel }) => [kernel.name, kernel.program]));
  return [...programs].map(([name, wgsl]) => ({ name, wgsl }));
}
