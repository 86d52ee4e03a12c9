import { type Constant, formatShape, type Shape, spentAfter, type Variable } from "@residual/core";
import type { Kernel } from "./kernels/kernel.ts";

/** Images of a value: its own number, or those of the open batch. */
export type Images = number | "N";

/** Memory that a value takes, before it has an address. */
export interface Place {
  /** Bytes of an image. */
  readonly bytes: number;
  readonly images: Images;
  /** `model` memory is written once and read in each run; `run` memory is another's again after its last reader. */
  readonly life: "model" | "run";
}

/** One run of a kernel. Places are numbered in their order. */
export interface Step {
  readonly node: string;
  readonly kernel: Kernel;
  readonly images: Images;
  /** Places of what it reads, in the order of the kernel's operands. */
  readonly reads: readonly number[];
  /** The place of the operand that it writes, the last. */
  readonly writes: number;
}

/** Numbers that are brought into place once, by a kernel where they lie otherwise than in the host's order. */
export interface Load {
  readonly constant: Constant;
  readonly place: number;
  /** Reads the host's order as its first operand. */
  readonly kernel?: Kernel;
  /** Rows of the source that one task of the kernel takes; all where not given. */
  readonly block?: number;
}

interface PlannedOutput {
  readonly place: number;
  readonly shape: Shape;
}

/**
 * What a graph is for WebAssembly: plain data, made without an engine. Inputs, variables and outputs lie as tensors.
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

export function imagesIn(images: Images, batch: number): number {
  return images === "N" ? batch : images;
}

/** Where each place begins, in bytes, for a batch. */
export interface Addresses {
  readonly of: readonly number[];
  /** Scratch memory of each step; 0 where it needs none. */
  readonly scratch: readonly number[];
  /** Where memory that outlives a run ends, and where all memory ends. */
  readonly modelEnd: number;
  readonly end: number;
}

/** Addresses begin here: nothing lies at 0. */
const START = 1024;

/** A cache line. */
const ALIGNMENT = 64;

function aligned(bytes: number): number {
  return Math.ceil(bytes / ALIGNMENT) * ALIGNMENT;
}

/** Something that takes memory from one step to another, both included. */
interface Tenant {
  readonly bytes: number;
  readonly from: number;
  readonly to: number;
  address: number;
}

/**
 * Gives addresses to places. Values of a run share memory by the time that they live: the largest is placed first, each
 * at the lowest address that none of its time has taken (Pisarchyk and Lee 2020, greedy by size).
 */
export function addressesOf(
  { places, steps, inputs, outputs, updates }: Omit<Plan, "loads">,
  batch: number,
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
    const bytes = kernel.scratch?.(imagesIn(images, batch)) ?? 0;
    return { bytes: aligned(bytes), from: at, to: at, address: 0 };
  });
  const end = settle([...tenants.values(), ...scratch], modelEnd);
  for (const [place, { address }] of tenants) of[place] = address;
  return { of, scratch: scratch.map(({ address }) => address), modelEnd, end };
}

/** From the step that writes each value of a run to the last that reads it. */
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

/** A plan to be read: a step a line, and the memory that it takes for a batch of one. */
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
