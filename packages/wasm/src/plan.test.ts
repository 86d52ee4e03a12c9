import {
  bind,
  fixtureWeights,
  graph,
  input,
  type ModelName,
  ops,
  optimize,
  resnet,
  select,
  tensor,
  variable,
  variants,
} from "@residual/core";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Kernel } from "./kernels/kernel.ts";
import { lowerToPlan } from "./lower.ts";
import { type Addresses, addressesOf, imagesIn, type Place, type Plan, printPlan, type Step } from "./plan.ts";

const choice = { instructions: "relaxed madd", isShared: false, winograd: true } as const;

/** A kernel of which the planner asks for nothing but scratch memory. */
function kernelWith(scratch: number): Kernel {
  return {
    name: "kernel",
    operands: [],
    work: 1,
    phases: () => [],
    ...(scratch > 0 && { scratch: (images: number) => scratch * images }),
    define: () => {},
  };
}

/** Programs whose steps write a value each, and some of them a second time, as borders are cleared before. */
const plans = fc
  .record({
    inputs: fc.array(fc.nat({ max: 500 }), { minLength: 1, maxLength: 3 }),
    weights: fc.array(fc.nat({ max: 500 }), { maxLength: 3 }),
    steps: fc.array(
      fc.record({
        bytes: fc.nat({ max: 2000 }),
        isOpen: fc.boolean(),
        reads: fc.array(fc.nat(), { maxLength: 3 }),
        scratch: fc.constantFrom(0, 0, 100, 3000),
        isCleared: fc.boolean(),
      }),
      { minLength: 1, maxLength: 12 },
    ),
    outputs: fc.array(fc.nat(), { minLength: 1, maxLength: 3 }),
  })
  .map(({ inputs, weights, steps: drawn, outputs }): Plan => {
    const places: Place[] = [
      ...inputs.map((bytes): Place => ({ bytes, images: "N", life: "run" })),
      ...weights.map((bytes): Place => ({ bytes, images: 1, life: "model" })),
    ];
    const steps: Step[] = [];
    for (const [at, { bytes, isOpen, reads, scratch, isCleared }] of drawn.entries()) {
      const images = isOpen ? "N" : 1;
      const earlier = reads.map((each) => each % places.length);
      const writes = places.push({ bytes, images, life: "run" }) - 1;
      const step = { node: `node ${at}`, images, writes } as const;
      if (isCleared) steps.push({ ...step, kernel: kernelWith(0), reads: [] });
      steps.push({ ...step, kernel: kernelWith(scratch), reads: earlier });
    }
    const output = (place: number) => ({ place: place % places.length, shape: [1] });
    return {
      places,
      loads: [],
      steps,
      inputs: Object.fromEntries(inputs.map((_, at) => [`x${at}`, at])),
      variables: [],
      outputs: Object.fromEntries(outputs.map((place, at) => [`y${at}`, output(place)])),
      updates: [],
    };
  });

/** Where somebody's bytes were lost: carries a plan out, in a memory that remembers who wrote each byte last. */
function losses(plan: Plan, { of, scratch, end }: Addresses, batch: number): readonly string[] {
  const lost: string[] = [];
  const owners = Array.from({ length: end }, (): number | "scratch" | "nobody" => "nobody");
  const size = (place: number) => plan.places[place]!.bytes * imagesIn(plan.places[place]!.images, batch);
  const write = (owner: number | "scratch", address: number, bytes: number) =>
    owners.fill(owner, address, address + bytes);
  const check = (place: number, who: string) => {
    const isWhole = owners.slice(of[place], of[place]! + size(place)).every((owner) => owner === place);
    if (!isWhole) lost.push(`${who} finds something else in place ${place}`);
  };
  const isWritten = new Set<number>();
  for (const [place, { life }] of plan.places.entries()) if (life === "model") write(place, of[place]!, size(place));
  for (const place of Object.values(plan.inputs)) write(place, of[place]!, size(place));
  for (const [at, { node, kernel, images, reads, writes }] of plan.steps.entries()) {
    const bytes = kernel.scratch?.(imagesIn(images, batch)) ?? 0;
    write("scratch", scratch[at]!, bytes);
    if (isWritten.has(writes)) check(writes, `${node}, which wrote a border,`);
    write(writes, of[writes]!, size(writes));
    isWritten.add(writes);
    for (const place of reads) check(place, node);
    const isMixed = owners.slice(scratch[at], scratch[at]! + bytes).some((owner) => owner !== "scratch");
    if (isMixed) lost.push(`${node} writes into its own scratch memory`);
  }
  for (const [name, { place }] of Object.entries(plan.outputs)) check(place, name);
  for (const [place, { life }] of plan.places.entries()) if (life === "model") check(place, "the next run");
  return lost;
}

describe("addressesOf", () => {
  it("gives no two values the same bytes while both are needed, for any batch", () => {
    fc.assert(
      fc.property(plans, fc.integer({ min: 1, max: 4 }), (plan, batch) => {
        const addresses = addressesOf(plan, batch);
        expect(losses(plan, addresses, batch)).toEqual([]);
        for (const address of [...addresses.of, ...addresses.scratch]) expect(address % 64).toBe(0);
      }),
      { numRuns: 500 },
    );
  });

  it("leaves address 0 to nobody", () => {
    fc.assert(
      fc.property(plans, (plan) => {
        const { of, modelEnd } = addressesOf(plan, 1);
        for (const [place, { life }] of plan.places.entries())
          if (life === "model") expect(of[place]).toBeLessThanOrEqual(modelEnd);
        expect(Math.min(...of, modelEnd)).toBeGreaterThan(0);
      }),
    );
  });
});

/** The most bytes of values and scratch memory that any one step needs at once. */
function peakOf(plan: Plan): number {
  const kept = new Set(Object.values(plan.outputs).map(({ place }) => place));
  const [born, dies] = [new Map<number, number>(), new Map<number, number>()];
  for (const place of Object.values(plan.inputs)) born.set(place, 0);
  for (const [at, { reads, writes }] of plan.steps.entries()) {
    if (!born.has(writes)) born.set(writes, at);
    for (const place of [...reads, writes]) dies.set(place, at);
  }
  const live = (at: number) =>
    [...born].filter(([place, from]) => from <= at && (kept.has(place) || (dies.get(place) ?? 0) >= at));
  return Math.max(
    ...plan.steps.map(({ kernel, images }, at) => {
      const values = live(at).reduce((sum, [place]) => sum + plan.places[place]!.bytes, 0);
      return values + (kernel.scratch?.(imagesIn(images, 1)) ?? 0);
    }),
  );
}

it.each<ModelName>(["resnet18", "resnet50", "resnext50_32x4d", "cifar_resnet20"])(
  "values of %s take at most 1.03 times the memory that they need at their peak",
  (name) => {
    const model = resnet(variants[name]);
    const plan = lowerToPlan(optimize(select(bind(model, fixtureWeights(model, "v1")), ["logits"])), choice);
    const { modelEnd, end } = addressesOf(plan, 1);
    expect(end - modelEnd).toBeLessThanOrEqual(1.03 * peakOf(plan));
  },
);

it("a plan reads as steps, results and memory", () => {
  const x = input("x", ["N", 6, 5, 5]);
  const mean = variable("mean", tensor([1, 6], [1, 2, 3, 4, 5, 6]));
  const pooled = ops.maxPool2d({ x }, { window: 3, stride: 2, padding: 1 });
  const sum = ops.add({ a: pooled, b: ops.relu({ x: pooled }) });
  const row = ops.flatten({ x: ops.globalAveragePool({ x: sum }) });
  const net = graph({
    name: "small",
    inputs: { x },
    outputs: { pooled, y: ops.softmax({ x: row }) },
    updates: [{ variable: mean, value: ops.add({ a: mean, b: mean }) }],
  });
  expect(printPlan(lowerToPlan(net, choice))).toMatchInlineSnapshot(`
    "convert: convert host 6×5×5, quads 6×5×5(x) -> @1088
    maxPool2d: maxPool2d 3×3 / 2×2 1+1 quads 6×5×5, quads 6×3×3(@1088) -> @1920
    relu: relu quads 6×3×3, quads 6×3×3(@1920) -> @1088
    add: add of a b in rows of 72(@1920, @1088) -> @1408
    globalAveragePool: globalAveragePool quads 6×3×3, quads 6×1×1(@1408) -> @1088
    softmax: softmax quads 6×1×1(@1088) -> @1344
    add_1: add of a b in rows(mean, mean) -> @1408
    convert: convert quads 6×3×3, host 6×3×3(@1920) -> @1088
    convert: convert quads 6×1×1, host 6×1×1(@1344) -> @1472
    pooled N×6×3×3 is @1088
    y N×6 is @1472
    mean becomes @1408
    64 bytes of weights, 1,472 of values"
  `);
});
