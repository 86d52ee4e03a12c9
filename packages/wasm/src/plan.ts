import { type Constant, formatShape, type Shape, spentAfter, type Variable } from "@residual/core";
import type { Kernel } from "./kernels/kernel.ts";

/** Images of a value: a fixed number, or the open batch. */
export type Images = number | "N";

/** Memory for a value, before it has an address. */
export interface Place {
  /** Bytes per image. */
  readonly bytes: number;
  readonly images: Images;
  /** `model` memory is written once and read in each run; `run` memory is reused after its last reader. */
  readonly life: "model" | "run";
}

/** One run of a kernel. Places are numbered in order. */
export interface Step {
  readonly node: string;
  readonly kernel: Kernel;
  readonly images: Images;
  /** Places of its inputs, in the order of the kernel's operands. */
  readonly reads: readonly number[];
  /** The place of its output, the last operand. */
  readonly writes: number;
}

/** Numbers that are copied once, through a kernel if their layout differs from the host's order. */
export interface Load {
  readonly constant: Constant;
  readonly place: number;
  /** The images that a kernel converts; weights are packed as one image. */
  readonly images: number;
  /** The kernel; its first operand is in the host's order. */
  readonly kernel?: Kernel;
  /** Rows of the source for one task of the kernel; default: all. */
  readonly block?: number;
}

interface PlannedOutput {
  readonly place: number;
  readonly shape: Shape;
}

/**
 * A graph lowered to WebAssembly: plain data, made without an engine. Inputs, variables and outputs have the layout of
 * tensors.
 */
export interface Plan {
  readonly places: readonly Place[];
  readonly loads: readonly Load[];
  readonly steps: readonly Step[];
  readonly inputs: { readonly [name: string]: number };
  readonly variables: readonly { readonly variable: Variable; readonly place: number }[];
  readonly outputs: { readonly [name: string]: PlannedOutput };
  readonly updates: readonly { readonly variable: Variable; readonly place: number }[];
}

/** The kernels of its steps and loads, some more than once. */
export function kernelsOf({ steps, loads }: Pick<Plan, "steps" | "loads">): readonly Kernel[] {
  return [...steps.map(({ kernel }) => kernel), ...loads.flatMap(({ kernel }) => kernel ?? [])];
}

export function imagesIn(images: Images, batch: number): number {
  return images === "N" ? batch : images;
}

/** Address of each place, in bytes, for a batch. */
export interface Addresses {
  readonly of: readonly number[];
  /** Address of the scratch memory of each step; 0 without scratch. */
  readonly scratch: readonly number[];
  /** End of the memory that outlives a run, and end of all memory. */
  readonly modelEnd: number;
  readonly end: number;
}

/** The first address: 0 is never used. */
const START = 1024;

/** A cache line. */
const ALIGNMENT = 64;

function aligned(bytes: number): number {
  return Math.ceil(bytes / ALIGNMENT) * ALIGNMENT;
}

/** Bytes of the scratch memory of a kernel, or of one of its threads. */
export function scratchBytes({ scratch }: Kernel, images: number): number {
  return aligned(scratch?.(images) ?? 0);
}

/** A user of memory, from one step to another, both included. */
interface Tenant {
  readonly bytes: number;
  readonly from: number;
  readonly to: number;
  address: number;
}

/**
 * Assigns addresses to places. Values of a run share memory if their lifetimes do not overlap. The largest is placed
 * first, each at the lowest address that is free during its lifetime (Pisarchyk and Lee 2020, greedy by size). Runs
 * have at most `threads` threads.
 */
export function addressesOf(
  { places, steps, inputs, outputs, updates }: Omit<Plan, "loads">,
  batch: number,
  threads = 1,
): Addresses {
  const of = places.map(() => 0);
  let modelEnd = START;
  for (const [place, { bytes, images, life }] of places.entries()) {
    if (life !== "model") continue;
    of[place] = modelEnd;
    modelEnd += aligned(bytes * imagesIn(images, batch));
  }
  const spans = spansOf({ places, steps, inputs, outputs, updates });
  const tenants = new Map<number, Tenant>();
  for (const [place, [from, to]] of spans) {
    const { bytes, images } = places[place]!;
    tenants.set(place, { bytes: aligned(bytes * imagesIn(images, batch)), from, to, address: 0 });
  }
  const scratch = steps.map(({ kernel, images }, at): Tenant => {
    const bytes = scratchBytes(kernel, imagesIn(images, batch));
    return { bytes: bytes * (kernel.isScratchPrivate ? threads : 1), from: at, to: at, address: 0 };
  });
  const end = settle([...tenants.values(), ...scratch], modelEnd);
  for (const [place, { address }] of tenants) of[place] = address;
  return { of, scratch: scratch.map(({ address }) => address), modelEnd, end };
}

/** The lifetime of each value: from the step that writes it to its last reader. */
function spansOf({
  places,
  steps,
  inputs,
  outputs,
  updates,
}: Pick<Plan, "places" | "steps" | "inputs" | "outputs" | "updates">): ReadonlyMap<number, [number, number]> {
  const kept = new Set([...Object.values(outputs), ...updates].map(({ place }) => place));
  const spans = new Map<number, [number, number]>();
  for (const place of Object.values(inputs)) spans.set(place, [0, kept.has(place) ? steps.length : 0]);
  const spent = spentAfter(steps, kept);
  for (const [at, { writes }] of steps.entries()) if (!spans.has(writes)) spans.set(writes, [at, steps.length]);
  for (const [at, all] of spent.entries()) {
    for (const place of all) {
      const span = spans.get(place);
      if (span) span[1] = at;
    }
  }
  for (const place of spans.keys()) if (places[place]!.life === "model") spans.delete(place);
  return spans;
}

function settle(tenants: readonly Tenant[], start: number): number {
  const placed: Tenant[] = []; // by address
  let end = start;
  for (const tenant of tenants.toSorted((a, b) => b.bytes - a.bytes)) {
    let address = start;
    for (const other of placed) {
      if (other.to < tenant.from || other.from > tenant.to) continue;
      if (other.address - address >= tenant.bytes) break;
      address = Math.max(address, other.address + other.bytes);
    }
    tenant.address = address;
    end = Math.max(end, address + tenant.bytes);
    const at = placed.findIndex((other) => other.address > address);
    placed.splice(at < 0 ? placed.length : at, 0, tenant);
  }
  return end;
}

/** A plan as text: one line per step, and the memory for a batch of one. */
export function printPlan(plan: Plan): string {
  const { of, modelEnd, end } = addressesOf(plan, 1);
  const at = (place: number) => `@${of[place]}`;
  const named = new Map(plan.loads.map(({ place, constant }) => [place, constant.name]));
  for (const { place, variable } of plan.variables) named.set(place, variable.name);
  for (const [name, place] of Object.entries(plan.inputs)) named.set(place, name);
  const shown = (place: number) => named.get(place) ?? at(place);
  const lines = plan.steps.map(
    ({ node, kernel, reads, writes }) => `${node}: ${kernel.name}(${reads.map(shown).join(", ")}) -> ${shown(writes)}`,
  );
  const outputs = Object.entries(plan.outputs).map(
    ([name, { place, shape }]) => `${name} ${formatShape(shape)} is ${shown(place)}`,
  );
  const updates = plan.updates.map(({ variable, place }) => `${variable.name} becomes ${shown(place)}`);
  const [weights, values] = [modelEnd - START, end - modelEnd].map((bytes) => bytes.toLocaleString("en-US"));
  const memory = `${weights} bytes of weights, ${values} of values`;
  return [...lines, ...outputs, ...updates, memory].join("\n");
}
