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
  rowSize,
  rowsIn,
  type Source,
  select,
  type Tensor,
  tensor,
  type Value,
  variable,
  variants,
} from "@residual/core";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  coldProfile,
  type DeviceProfile,
  gpuProfile,
  lavapipe,
  plainProfile,
  softwareProfile,
  swiftShader,
} from "../decide/profiles.ts";
import * as kernels from "../kernels/index.ts";
import { quadOrder } from "../kernels/quad-conv2d.ts";
import { sharedOrder } from "../kernels/shared-conv2d.ts";
import { stripOrder } from "../kernels/strip-conv2d.ts";
import { tileOrder } from "../kernels/tiled-conv2d.ts";
import { f2, f4, forWinograd } from "../kernels/winograd.ts";
import { lowerToPlan } from "./lower.ts";
import { dense, type HostPacking, inOrder, interleaved } from "./packing.ts";
import { bytesOf, type Launch, type Plan, planOf, printPlan, type Repack, resultsOf } from "./plan.ts";

const network = (batch: number) => {
  const model = resnet(variants.cifar_resnet20, { input: ["N", 3, 32, 32] });
  return lowerToPlan(optimize(select(bind(model, fixtureWeights(model, "v1")), ["logits"])), batch).plan;
};

function written({ length, write }: HostPacking, { data }: Pick<Tensor<"float32">, "data">): number[] {
  const to = new Float32Array(length).fill(Number.NaN); // like memory that was used before
  write(data, to);
  return [...to];
}

/** As `written`, but packs some blocks at a time. */
function inParts(
  { length, block, planes, write }: HostPacking,
  { shape, data }: Tensor<"float32">,
  step: number,
): number[] {
  const count = rowsIn({ shape });
  const row = rowSize({ shape });
  const plane = length / planes;
  const share = plane / Math.ceil(count / block);
  const all = new Float32Array(length).fill(Number.NaN);
  for (let first = 0; first < count; first += step * block) {
    const end = Math.min(first + step * block, count);
    const to = new Float32Array(planes * share * Math.ceil((end - first) / block)).fill(Number.NaN);
    write(data.subarray(first * row, end * row), to);
    for (let i = 0, size = to.length / planes; i < planes; i++) {
      all.set(to.subarray(i * size, (i + 1) * size), i * plane + (first / block) * share);
    }
  }
  return [...all];
}

/** Asserts that no value overwrites another value that is read later. */
function overlaps({ dispatches, slotOf, ...results }: Plan): readonly string[] {
  const found: string[] = [];
  for (const [time, { output, node }] of dispatches.entries()) {
    const later = dispatches.slice(time).flatMap(({ inputs }) => inputs);
    const kept = [...later, ...resultsOf(results)];
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
        "x: pack(x) -> #0 1×2×4×4",
        "conv1: conv2d(#0, conv1.weight:0 interleaved, conv1.weight:0 interleaved, conv1.weight:0 interleaved) -> #1 1×2×4×4",
        "relu: relu(#1) -> #0 1×2×4×4",
        "add: add(#0, #1) -> #2 1×2×4×4",
        "flatten: flatten(#2) -> #0 1×32",
        "3 buffers, 768 bytes",
      ].join("\n"),
    );
    expect(plan.outputs).toEqual({ y: { storage: { kind: "value", id: 4 }, shape: [1, 32], order: "host" } });
  });

  it("shares memory among values that do not live at the same time", () => {
    const plan = network(1);
    const total = plan.slots.reduce((sum, { bytes }) => sum + bytes, 0);
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
      const of = {
        kernel: "relu",
        params: Uint32Array.of(size),
        workgroups: [1, 1, 1] as const,
        bytes: 4 * size,
        memory: "buffers" as const,
      };
      return { ...of, node: `${output}`, inputs, output, shape: [size] };
    };
    const plan = planOf({
      dispatches: [step(0, 10, []), step(1, 10, [0]), step(2, 100, [1]), step(3, 5, [2])],
      outputs: { y: { storage: { kind: "value", id: 3 }, shape: [5] } },
      updates: [],
      repacks: [],
    });
    expect(plan.slots.reduce((sum, { bytes }) => sum + bytes, 0)).toBe(440);
    expect(overlaps(plan)).toEqual([]);
  });

  it("keeps textures and buffers apart, and leaves in the host's order", () => {
    const x = input("x", [1, 4, 1, 1]);
    const y = ops.relu({ x: ops.relu({ x }) });
    const { plan } = lowerToPlan(graph({ name: "one", inputs: { x }, outputs: { y } }), 1, {
      ...plainProfile(),
      memory: "textures",
    });
    expect(printPlan(plan)).toBe(
      [
        "x: pack, in textures(x) -> #0 1×4×1×1",
        "relu: relu, in textures(#0) -> #1 1×4×1×1",
        "relu_1: relu, in textures(#1) -> #0 1×4×1×1",
        "to the host's order: unpack, in textures(#0) -> #2 1×4×1×1",
        "1 buffers, 2 textures, 48 bytes",
      ].join("\n"),
    );
  });

  it("keeps what variables become to the end, and says which", () => {
    const x = input("x", [1, 8]);
    const [sum, same] = [
      variable("sum", tensor([1, 8], Array(8).fill(0))),
      variable("same", tensor([8], Array(8).fill(1))),
    ];
    const next = named("next", ops.add({ a: sum, b: ops.relu({ x }) }));
    const y = ops.relu({ x: ops.relu({ x: next }) });
    const updates = [
      { variable: sum, value: next },
      { variable: same, value: same },
    ];
    const { plan, variables } = lowerToPlan(graph({ name: "sums", inputs: { x }, outputs: { y, sum }, updates }), 1);
    expect(printPlan(plan)).toBe(
      [
        "relu: relu(x) -> #0 1×8",
        "next: add(sum, #0) -> #1 1×8",
        "relu_1: relu(#1) -> #0 1×8",
        "relu_2: relu(#0) -> #2 1×8",
        "sum becomes #1",
        "same becomes same",
        "3 buffers, 96 bytes",
      ].join("\n"),
    );
    expect(overlaps(plan)).toEqual([]);
    expect([...variables.keys()]).toEqual(["sum", "same"]);
  });

  it("is for one batch", () => {
    expect(network(3).dispatches[0]!.shape).toEqual([3, 3, 32, 32]);
    expect(network(3).dispatches[1]!.shape).toEqual([3, 16, 32, 32]);
  });

  it("refuses open parameters", () => {
    const x = input("x", [1, 2]);
    const y = ops.linear({ x, weight: parameter("fc.weight", [2, 2]) });
    expect(() => lowerToPlan(graph({ name: "open", inputs: { x }, outputs: { y } }), 1)).toThrow("fc.weight is open");
  });
});

describe("programs", () => {
  const lanes = 8;
  const withoutSubgroups = softwareProfile(lavapipe, "textures", undefined, { lanes, withoutSubgroups: true });
  const convolutions = [
    softwareProfile(lavapipe, "textures"),
    withoutSubgroups,
    softwareProfile(swiftShader, "buffers"),
    gpuProfile(),
    gpuProfile("products"),
  ]
    .flatMap(({ strategies }) => strategies)
    .flatMap(({ kernels, packing }) => [...kernels, packing]);

  it.each(
    [...new Set([...Object.values(kernels), ...convolutions])]
      .flatMap((kernel) => (["buffers", "textures", "float16 buffers", "float16 textures"] as const).map(kernel))
      .map((kernel) => [kernel.name, kernel] as const),
  )("%s writes its last operand alone, reads all others, and takes all its params", (_, kernel) => {
    const { program, operands, params } = kernel;
    const [last, ...others] = operands.toReversed();
    expect(program.match(/var<storage, read_write> \w+|texture_storage_2d<\w+, write>/g)).toHaveLength(1);
    expect(program).toMatch(new RegExp(`var<storage, read_write> ${last}Numbers|${last}Texels: \\w+<\\w+, write>`));
    for (const other of others) expect(program.split(`${other}(`).length).toBeGreaterThan(2); // declared, and called
    for (const param of params) expect(program).toContain(`p.${param}`);
  });

  const planFor = (
    [channels, outputs, size, window]: readonly [number, number, number, number],
    groups = 1,
    profile = softwareProfile(lavapipe, "textures"),
    weightOf: (source: Source) => Value = (source) => constant("weight", source),
  ) => {
    const x = input("x", [1, channels, size, size]);
    const weight = weightOf(fill("v1", "weight", [outputs, channels / groups, window, window], -1, 1));
    const y = ops.conv2d({ x, weight }, { groups, padding: window >> 1 });
    return lowerToPlan(graph({ name: "one", inputs: { x }, outputs: { y } }), 1, profile).plan;
  };
  const namesOf = (launches: readonly Launch[]) => launches.map(({ kernel }) => kernel);
  const kernelsFor = (...layer: Parameters<typeof planFor>) => namesOf(planFor(...layer).dispatches);

  it("tiles lie within groups, and there is none where no tile fits", () => {
    expect(kernelsFor([64, 64, 56, 1])).toContain("conv2d 32×7 on 8 lanes, in textures");
    expect(kernelsFor([128, 128, 8, 3], 32)).toContain("conv2d 4×7 in strips of 8, 1 down, in textures");
    expect(kernelsFor([128, 128, 56, 1], 32)).toContain("conv2d 4×14 on 8 lanes, in textures");
    expect(kernelsFor([6, 6, 8, 3], 2)).toContain("conv2d, in textures");
  });

  it("without subgroups there are the same tiles and strips", () => {
    expect(kernelsFor([64, 64, 56, 1], 1, withoutSubgroups)).toEqual([
      "pack, in textures",
      "conv2d 32×7 on 8 lanes, without subgroups, in textures",
      "unpack, in textures",
    ]);
    const strips = "conv2d 4×7 in strips of 8, 1 down, without subgroups, in textures";
    expect(kernelsFor([128, 128, 8, 3], 32, withoutSubgroups)).toContain(strips);
    expect(kernelsFor([64, 64, 56, 3], 1, withoutSubgroups)).toContain("winograd-f4 input, in textures");
  });

  it("outputs that are no whole fours are computed in fours", () => {
    expect(kernelsFor([3, 7, 8, 3])).toEqual([
      "pack, in textures",
      "conv2d in fours, in textures",
      "unpack, in textures",
    ]);
  });

  it("Winograd's algorithm is for 3 × 3 of many channels and pixels", () => {
    expect(kernelsFor([64, 64, 56, 3])).toContain("winograd-f4 input, in textures");
    expect(kernelsFor([64, 64, 56, 1]).join()).not.toContain("winograd");
    expect(kernelsFor([64, 64, 3, 3]).join()).not.toContain("winograd");
  });

  it("cold, one tile serves all but groups", () => {
    const cold = coldProfile(softwareProfile(lavapipe, "textures"));
    expect(kernelsFor([64, 64, 56, 3], 1, cold)).toContain("conv2d 32×7 on 8 lanes, in textures");
    expect(kernelsFor([128, 128, 8, 3], 32, cold)).toContain("conv2d 4×14 on 8 lanes, in textures");
  });

  it("on GPUs products go through shared memory, in splits where there are few", () => {
    expect(kernelsFor([64, 64, 96, 1], 1, gpuProfile())).toEqual(["pack", "conv2d in shared memory", "unpack"]);
    expect(kernelsFor([64, 64, 7, 1], 1, gpuProfile())).toContain("sum of splits");
    expect(kernelsFor([256, 256, 56, 3], 1, gpuProfile())).toContain("winograd-f4 output");
    expect(kernelsFor([128, 128, 8, 3], 32, gpuProfile())).toContain("conv2d in fours");
  });

  /** A layer for each family of kernels. */
  const layers: readonly (readonly [string, readonly [number, number, number, number], number, DeviceProfile])[] = [
    ["tiles", [64, 64, 56, 1], 1, softwareProfile(lavapipe, "textures")],
    ["tiles at an image", [3, 64, 56, 7], 1, softwareProfile(lavapipe, "textures")],
    ["one pixel", [64, 36, 1, 1], 1, softwareProfile(lavapipe, "textures")],
    ["strips", [128, 128, 8, 3], 32, softwareProfile(lavapipe, "textures")],
    ["Winograd's algorithm", [64, 64, 56, 3], 1, softwareProfile(swiftShader, "buffers")],
    ["shared memory", [64, 64, 96, 1], 1, gpuProfile()],
    ["Winograd's algorithm in shared memory", [256, 256, 56, 3], 1, gpuProfile()],
    ["splits", [64, 64, 7, 1], 1, gpuProfile()],
    ["fours", [128, 128, 8, 3], 32, gpuProfile()],
    ["tiles without subgroups", [64, 64, 56, 1], 1, withoutSubgroups],
    ["strips without subgroups", [128, 128, 8, 3], 32, withoutSubgroups],
  ];

  it.each(layers)("of %s are the same for a weight that is a variable, which is packed apart", (_, ...layer) => {
    const plan = planFor(...layer, (source) => variable("weight", source));
    expect(namesOf(plan.dispatches)).toEqual(kernelsFor(...layer));
    expect(namesOf(plan.repacks)).toEqual([expect.stringMatching(/^repack weights|^winograd-f. weights/)]);
    const [{ variable: of, output, inputs }] = plan.repacks as [Repack];
    expect({ of, inputs }).toEqual({ of: "weight", inputs: [{ kind: "variable", name: "weight" }] });
    const readers = plan.dispatches.filter((dispatch) =>
      dispatch.inputs.some((storage) => storage.kind === "packed" && storage.name === output),
    );
    expect(readers).toHaveLength(1);
  });

  it.each(layers)("of %s are the same for a weight that is computed, which is packed in each run", (_, ...layer) => {
    const added = planFor(...layer, (a) => ops.add({ a: variable("a", a), b: variable("b", a) }));
    const isPacking = (name: string) => /^repack weights|^winograd-f. weights|^pack\b|^unpack\b/.test(name);
    const others = (names: readonly string[]) => names.filter((name) => !isPacking(name));
    const adding = `add, of rows${layer[2].memory === "textures" ? ", in textures" : ""}`;
    expect(others(namesOf(added.dispatches)).filter((name) => name !== adding)).toEqual(others(kernelsFor(...layer)));
    expect(overlaps(added)).toEqual([]);
  });

  it("weights are packed by the channels of a tile, zeros behind", () => {
    const data = Float32Array.from({ length: 3 * 2 * 2 }, (_, i) => i + 1); // 3 outputs, 2 channels, 1 × 2 taps
    const weight = { dtype: "float32", shape: [3, 2, 1, 2], data } as const;
    const tile = { lanes, channels: 2, pixels: 1 } as const;
    const fours = (...outputs: readonly (readonly number[])[]) => outputs.flatMap((pair) => [...pair, 0, 0]);
    expect(written(inOrder(tileOrder(weight.shape, tile), weight.shape), weight)).toEqual([
      ...fours([1, 3], [5, 7]),
      ...fours([2, 4], [6, 8]),
      ...fours([9, 11], [0, 0]),
      ...fours([10, 12], [0, 0]),
    ]);
  });

  it("for four outputs at a time four channels of each", () => {
    const data = Float32Array.from({ length: 5 * 2 }, (_, i) => i + 1); // 5 outputs, 2 channels
    const packed = written(inOrder(quadOrder([5, 2, 1, 1]), [5, 2, 1, 1]), { data });
    expect(packed).toEqual([1, 2, 0, 0, 3, 4, 0, 0, 5, 6, 0, 0, 7, 8, 0, 0, 9, 10, ...Array<number>(14).fill(0)]);
  });

  it("and for strips a column of taps at a time", () => {
    const data = Float32Array.from({ length: 2 * 3 * 2 }, (_, i) => i + 1); // 2 outputs, 1 channel, 3 × 2 taps
    const weight = { dtype: "float32", shape: [2, 1, 3, 2], data } as const;
    const strips = { lanes, channels: 2, rows: 1, down: 1 } as const;
    const fours = written(inOrder(stripOrder(weight.shape, strips), weight.shape), weight); // a channel and three zeros
    expect(fours.filter((_, i) => i % 4 === 0)).toEqual([1, 7, 3, 9, 5, 11, 2, 8, 4, 10, 6, 12]);
    expect(fours.filter((_, i) => i % 4 !== 0).every((value) => value === 0)).toBe(true);
  });

  it("Winograd's weights are G·g·Gᵀ", () => {
    const weight = {
      dtype: "float32",
      shape: [1, 1, 3, 3],
      data: Float32Array.from([1, 2, 3, 4, 5, 6, 7, 8, 9]),
    } as const;
    const tile = { lanes, channels: 4, pixels: 1 } as const;
    const all = written(forWinograd(f2, weight.shape, tileOrder([1, 1, 1, 1], tile)), weight);
    const positions = Array.from({ length: 16 }, (_, z) => all[z * 16]); // four outputs of four channels each
    // By hand: the kernel's rows become g0, (g0 + g1 + g2) / 2, (g0 − g1 + g2) / 2, g2; then its columns likewise.
    expect(positions).toEqual([1, 3, 1, 3, 6, 11.25, 3.75, 9, 2, 3.75, 1.25, 3, 7, 12, 4, 9]);
  });

  it("in parts is what it is as a whole", () => {
    const [side, few] = [fc.constantFrom(1, 3), fc.integer({ min: 1, max: 9 })];
    const shapes = fc.tuple(fc.integer({ min: 1, max: 70 }), few, side, side);
    fc.assert(
      fc.property(shapes, fc.integer({ min: 1, max: 3 }), (shape, step) => {
        const [o, c, kh, kw] = shape;
        const data = Float32Array.from({ length: o * c * kh * kw }, (_, i) => i + 1);
        const weight = tensor(shape, data);
        const tile = { lanes, channels: 8, pixels: 1 } as const;
        const strips = { lanes, channels: 4, rows: 1, down: 1 } as const;
        const matrix = tileOrder([o, c, 1, 1], tile);
        const packings = [
          inOrder(tileOrder(shape, tile), shape),
          inOrder(sharedOrder(shape), shape),
          dense(shape),
          interleaved(shape),
          ...(kh === 3 ? [inOrder(stripOrder(shape, strips), shape)] : []),
          ...(kh === 3 && kw === 3 ? [f2, f4].map((each) => forWinograd(each, shape, matrix)) : []),
        ];
        for (const packing of packings) {
          expect(inParts(packing, weight, step), packing.name).toEqual(written(packing, weight));
        }
      }),
    );
  });

  it("channels lie in fours", () => {
    const data = Float32Array.from({ length: 10 }, (_, i) => i);
    const packed = written(interleaved([1, 5, 2]), { data });
    expect(packed.slice(0, 8)).toEqual([0, 2, 4, 6, 1, 3, 5, 7]);
    expect(packed.slice(8)).toEqual([8, 0, 0, 0, 9, 0, 0, 0]);
  });
});
