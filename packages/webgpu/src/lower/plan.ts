import { formatShape, sizeOf, spentAfter } from "@residual/core";
import type { Memory } from "../kernels/kernel.ts";

/**
 * Where numbers lie before memory is given out: in an input, a constant, a variable, a variable as a kernel reads it,
 * or a value that a dispatch computes. Inputs and variables lie in the host's order.
 */
export type Storage =
  | { readonly kind: "input" | "constant" | "variable" | "packed"; readonly name: string }
  | { readonly kind: "value"; readonly id: number };

/** Unlike that of any other storage of a plan. */
export function keyOf(storage: Storage): string {
  return `${storage.kind} ${storage.kind === "value" ? storage.id : storage.name}`;
}

/** One run of a kernel. */
export interface Launch {
  readonly node: string;
  /** Its name. */
  readonly kernel: string;
  readonly inputs: readonly Storage[];
  /** Of the output. */
  readonly shape: readonly number[];
  /** That the output takes on the device, and what it lies in. */
  readonly bytes: number;
  readonly memory: Memory;
  /** Those of the kernel, as bits. */
  readonly params: Uint32Array<ArrayBuffer>;
  readonly workgroups: readonly [x: number, y: number, z: number];
}

/** One run of a kernel, for one node. */
export interface Dispatch extends Launch {
  /** The value that it computes. */
  readonly output: number;
}

/**
 * One run of a kernel that puts a variable into the order of another. It is needed once, and after each update of the
 * variable.
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

/** What replaces a variable after a run: numbers in the host's order. */
interface PlannedUpdate extends Output {
  readonly variable: string;
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
  readonly updates: readonly PlannedUpdate[];
  readonly repacks: readonly Repack[];
  readonly slots: readonly Slot[];
  /** Which of them each value lies in, by its id. */
  readonly slotOf: readonly number[];
}

/** Bytes of a float32 tensor in the host's order; never less than a vec4, as the smallest that a kernel binds. */
export function bytesOf(shape: readonly number[]): number {
  return Math.max(16, 4 * sizeOf(shape));
}

/**
 * Gives memory to values by the time that they live: a buffer is another's again after its value's last reader. One
 * that a dispatch reads is not the one that it writes, which WebGPU forbids. Best fit, since large and small values
 * take turns.
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
  // one that is too small grows: values of the past had less
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

/** A plan to be read: a dispatch a line, what becomes of variables, and the memory that values take. */
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
