import { formatShape, sizeOf, spentAfter } from "@residual/core";
import type { Memory } from "../kernels/kernel.ts";

/**
 * Where numbers are stored, before memory is allocated: in an input, a constant, a variable, a variable packed for a
 * kernel ("packed"), or a value that a dispatch computes. Inputs and variables are in the host's order.
 */
export type Storage =
  | { readonly kind: "input" | "constant" | "variable" | "packed"; readonly name: string }
  | { readonly kind: "value"; readonly id: number };

/** A key for a storage, unique in its plan. */
export function keyOf(storage: Storage): string {
  return `${storage.kind} ${storage.kind === "value" ? storage.id : storage.name}`;
}

/** One run of a kernel. */
export interface Launch {
  readonly node: string;
  /** The kernel's name. */
  readonly kernel: string;
  readonly inputs: readonly Storage[];
  /** The output's shape. */
  readonly shape: readonly number[];
  /** The bytes that the output takes on the device, in `memory`. */
  readonly bytes: number;
  readonly memory: Memory;
  /** The kernel's params, as bits. */
  readonly params: Uint32Array<ArrayBuffer>;
  readonly workgroups: readonly [x: number, y: number, z: number];
}

/** One run of a kernel, for one node. */
export interface Dispatch extends Launch {
  /** The id of the value that it computes. */
  readonly output: number;
}

/**
 * One run of a kernel that packs a variable into another kernel's order. It runs once at first, then after each update
 * of the variable.
 */
export interface Repack extends Launch {
  readonly variable: string;
  /** The name of the packed variable. */
  readonly output: string;
}

export interface Output {
  readonly storage: Storage;
  readonly shape: readonly number[];
}

/** The value that replaces a variable after a run, in the host's order. */
interface PlannedUpdate extends Output {
  readonly variable: string;
}

/** A buffer, or a texture, that values share. */
interface Slot {
  readonly memory: Memory;
  readonly bytes: number;
}

/** A graph as work for a GPU. Plain data, made without a GPU. */
export interface Plan {
  readonly dispatches: readonly Dispatch[];
  readonly outputs: { readonly [name: string]: Output };
  readonly updates: readonly PlannedUpdate[];
  readonly repacks: readonly Repack[];
  readonly slots: readonly Slot[];
  /** The index of each value's slot, by the value's id. */
  readonly slotOf: readonly number[];
}

/** Bytes of a float32 tensor in the host's order: whole vec4s, as kernels read it. */
export function bytesOf(shape: readonly number[]): number {
  return 16 * Math.max(1, Math.ceil(sizeOf(shape) / 4));
}

/**
 * Assigns slots to values. A slot is free again after the last reader of its value. A dispatch never writes into a slot
 * that it reads, since WebGPU forbids it. The smallest slot that fits is taken, since large and small values alternate.
 */
export function planOf(parts: Omit<Plan, "slots" | "slotOf">): Plan {
  const steps = parts.dispatches.map(({ inputs, output }) => ({ reads: inputs.flatMap(idOf), writes: output }));
  const spent = spentAfter(steps, resultsOf(parts).flatMap(idOf));
  const slots: Slot[] = [];
  const free: number[] = [];
  const slotOf: number[] = [];
  for (const [time, { output, bytes, memory }] of parts.dispatches.entries()) {
    slotOf[output] = take({ bytes, memory }, slots, free);
    free.push(...spent[time]!.map((id) => slotOf[id]!));
  }
  return { ...parts, slots, slotOf };
}

function take({ bytes, memory }: Slot, slots: Slot[], free: number[]): number {
  const bytesOf = (slot: number) => slots[slot]!.bytes;
  const alike = free.filter((slot) => slots[slot]!.memory === memory).sort((a, b) => bytesOf(a) - bytesOf(b));
  // if all are too small, the largest grows: the values before it needed less
  const slot = alike.find((each) => bytesOf(each) >= bytes) ?? alike.at(-1);
  if (slot === undefined) return slots.push({ bytes, memory }) - 1;
  free.splice(free.indexOf(slot), 1);
  slots[slot] = { memory, bytes: Math.max(bytesOf(slot), bytes) };
  return slot;
}

/** Storages that are read after all dispatches. */
export function resultsOf({ outputs, updates }: Pick<Plan, "outputs" | "updates">): readonly Storage[] {
  return [...Object.values(outputs), ...updates].map(({ storage }) => storage);
}

function idOf(storage: Storage): number[] {
  return storage.kind === "value" ? [storage.id] : [];
}

/** A plan as text: a line for each dispatch, the updates of variables, and the memory of values. */
export function printPlan({ dispatches, repacks, updates, slots, slotOf }: Plan): string {
  const place = (storage: Storage) => (storage.kind === "value" ? `#${slotOf[storage.id]}` : storage.name);
  const line = ({ node, kernel, inputs, shape }: Launch, to: string) =>
    `${node}: ${kernel}(${inputs.map(place).join(", ")}) -> ${to} ${formatShape(shape)}`;
  const lines = [
    ...repacks.map((repack) => line(repack, repack.output)),
    ...dispatches.map((dispatch) => line(dispatch, `#${slotOf[dispatch.output]}`)),
    ...updates.map(({ variable, storage }) => `${variable} becomes ${place(storage)}`),
  ];
  const total = slots.reduce((sum, { bytes }) => sum + bytes, 0);
  const memories = [...new Set(slots.map(({ memory }) => memory))].sort();
  const counts = memories.map((memory) => `${slots.filter((slot) => slot.memory === memory).length} ${memory}`);
  return [...lines, `${counts.join(", ")}, ${total.toLocaleString("en-US")} bytes`].join("\n");
}
