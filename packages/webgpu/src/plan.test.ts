import {
  bind,
  constant,
  fill,
  fixtureWeights,
  graph,
  input,
  named,
  ops,
  optimize,
  parameter,
  resnet,
  select,
  tensor,
  variants,
} from "@residual/core";
import { describe, expect, it } from "vitest";
import * as kernels from "./kernels/index.ts";
import { packed, tiledConv2d } from "./kernels/tiled-conv2d.ts";
import { lowerToPlan } from "./lower.ts";
import { bytesOf, type Plan, planOf, printPlan } from "./plan.ts";

const network = (batch: number) => {
  const model = resnet(variants.cifar_resnet20, { input: ["N", 3, 32, 32] });
  return lowerToPlan(optimize(select(bind(model, fixtureWeights(model, "v1")), ["logits"])), batch).plan;
};

/** No value may lie where another one lies that is read later. */
function overlaps({ dispatches, slotOf, outputs }: Plan): readonly string[] {
  const found: string[] = [];
  for (const [time, { output, node }] of dispatches.entries()) {
    const later = dispatches.slice(time).flatMap(({ inputs }) => inputs);
    const kept = [...later, ...Object.values(outputs).map(({ storage }) => storage)];
    for (const storage of kept) {
      if (storage.kind !== "value" || storage.id >= output) continue;
      if (slotOf[storage.id] === slotOf[output]) found.push(`${node} overwrites value ${storage.id}`);
    }
  }
  return found;
}

describe("a plan", () => {
  it("is printed, a dispatch a line", () => {
    const x = input("x", [1, 2, 4, 4]);
    const conv = named(
      "conv1",
      ops.conv2d({ x, weight: constant("conv1.weight", tensor([2, 2, 1, 1], [1, 2, 3, 4])) }),
    );
    const sum = named("add", ops.add({ a: named("relu", ops.relu({ x: conv })), b: conv }));
    const y = named("flatten", ops.flatten({ x: sum }));
    const { plan } = lowerToPlan(graph({ name: "small", inputs: { x }, outputs: { y } }), 1);
    expect(printPlan(plan)).toBe(
      [
        "conv1: conv2d(x, conv1.weight:0, conv1.weight:0, conv1.weight:0) -> #0 1×2×4×4",
        "relu: relu(#0) -> #1 1×2×4×4",
        "add: add(#1, #0) -> #2 1×2×4×4",
        "3 buffers, 384 bytes",
      ].join("\n"),
    );
    expect(plan.outputs).toEqual({ y: { storage: { kind: "value", id: 2 }, shape: [1, 32] } });
  });

  it("shares memory among values that do not live at the same time", () => {
    const plan = network(1);
    const total = plan.slots.reduce((sum, bytes) => sum + bytes, 0);
    expect(total).toBe(3 * bytesOf([1, 16, 32, 32])); // a block's input, and what its two convolutions make of it
    expect(overlaps(plan)).toEqual([]);
  });

  it("keeps outputs to the end, whatever comes after them", () => {
    const x = input("x", [1, 8]);
    const steps = Array.from({ length: 6 }).reduce<ReturnType<typeof ops.relu>[]>(
      (all) => [...all, ops.relu({ x: all.at(-1) ?? x })],
      [],
    );
    const outputs = Object.fromEntries(steps.map((step, i) => [`y${i}`, step]));
    const { plan } = lowerToPlan(graph({ name: "chain", inputs: { x }, outputs }), 1);
    expect(new Set(plan.slotOf).size).toBe(6);
    expect(overlaps(plan)).toEqual([]);
  });

  it("has its memory grow where what is free is too small", () => {
    const step = (output: number, size: number, reads: readonly number[]) => {
      const inputs = reads.map((id) => ({ kind: "value" as const, id }));
      const of = { kernel: kernels.relu, params: Uint32Array.of(size), workgroups: [1, 1, 1] as const };
      return { ...of, node: `${output}`, inputs, output, shape: [size] };
    };
    const plan = planOf([step(0, 10, []), step(1, 10, [0]), step(2, 100, [1]), step(3, 5, [2])], {
      y: { storage: { kind: "value", id: 3 }, shape: [5] },
    });
    expect(plan.slots.reduce((sum, bytes) => sum + bytes, 0)).toBe(440);
    expect(overlaps(plan)).toEqual([]);
  });

  it("is for one batch", () => {
    expect(network(3).dispatches[0]!.shape).toEqual([3, 16, 32, 32]);
  });

  it("refuses open parameters", () => {
    const x = input("x", [1, 2]);
    const y = ops.linear({ x, weight: parameter("fc.weight", [2, 2]) });
    expect(() => lowerToPlan(graph({ name: "open", inputs: { x }, outputs: { y } }), 1)).toThrow("fc.weight is open");
  });
});

describe("programs", () => {
  const all = [...Object.values(kernels), tiledConv2d({ lanes: 8, channels: 16, pixels: 7 })];

  it.each(all.map((kernel) => [kernel.name, kernel] as const))(
    "%s writes its last buffer alone",
    (_, { program, buffers, params }) => {
      const [last, ...others] = buffers.toReversed();
      expect(program).toContain(`var<storage, read_write> ${last}:`);
      for (const other of others) expect(program).not.toMatch(new RegExp(`^ *${other}\\[.*\\] =[^=]`, "m"));
      const unread = new Set(["outputsPerGroup", "perGroup"]); // a tile is of one group
      for (const param of params) if (!unread.has(param)) expect(program).toContain(`p.${param}`);
    },
  );

  it("tiles lie within groups, and there is none where no tile fits", () => {
    const kernelFor = (channels: number, groups: number) => {
      const x = input("x", [1, channels, 8, 8]);
      const weight = constant("weight", fill("v1", "weight", [channels, channels / groups, 3, 3], -1, 1));
      const y = ops.conv2d({ x, weight }, { groups, padding: 1 });
      const { plan, constants } = lowerToPlan(graph({ name: "one", inputs: { x }, outputs: { y } }), 1, {
        lanes: 8,
        channels: 32,
        pixels: 7,
      });
      return [plan.dispatches[0]!.kernel.name, [...constants.keys()].join()];
    };
    expect(kernelFor(64, 1)).toEqual(["conv2d 32×7 on 8 lanes", "weight:0 in 32s"]);
    expect(kernelFor(128, 32)).toEqual(["conv2d 4×14 on 8 lanes", "weight:0 in 4s"]);
    expect(kernelFor(32, 2)).toEqual(["conv2d 16×7 on 8 lanes", "weight:0 in 16s"]);
    expect(kernelFor(6, 2)).toEqual(["conv2d", "weight:0"]);
  });

  it("weights are packed by the channels of a tile, zeros behind", () => {
    const weight = Array.from({ length: 3 * 2 * 2 }, (_, i) => i + 1); // 3 outputs, 2 channels, 1 × 2 taps
    expect([...packed(weight, [3, 2, 1, 2], 2)]).toEqual([1, 5, 3, 7, 2, 6, 4, 8, 9, 0, 11, 0, 10, 0, 12, 0]);
  });
});
