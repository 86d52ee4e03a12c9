import {
  constant,
  graph,
  input,
  ops,
  optimize,
  permuteAxes,
  type RowRange,
  type Source,
  scaleRows,
  sizeOf,
  tensor,
  tensorOf,
} from "@residual/core";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { dialectOf } from "./dialects.ts";
import { copyToLayout } from "./layout.ts";
import { lowerToProgram } from "./lower.ts";
import { formatProgram } from "./print.ts";
import type { OperatorLayout, Weight } from "./program.ts";
import { fill, tiny } from "./testing/graphs.ts";

/** A convolution by 3 × 3 in two groups, stride 2. */
function grouped() {
  const image = input("image", ["N", 4, 6, 6]);
  const [weight, bias] = [constant("weight", fill([8, 2, 3, 3], 1)), constant("bias", fill([8], 2))];
  const y = ops.fusedConv2d({ x: image, weight, bias }, { groups: 2, padding: 1, stride: 2, relu: true });
  return graph({ name: "grouped", inputs: { image }, outputs: { y } });
}

const pool = (padding: number) => {
  const x = input("x", [1, 2, 5, 5]);
  return graph({
    name: "pool",
    inputs: { x },
    outputs: { y: ops.maxPool2d({ x }, { window: 3, stride: 2, padding }) },
  });
};

describe("a program", () => {
  it("of a block prints as TensorFlow's operators", () => {
    expect(formatProgram(lowerToProgram(optimize(tiny()), dialectOf("webgpu")))).toBe(
      [
        "tiny (image: N×4×8×8) -> (logits: N×5 = logits)",
        "image/channels-last = Transpose(image) permutation=[0,2,3,1]",
        "relu/convolution = _FusedConv2D(image/channels-last, conv.weight, conv.bias) strides=[1,1] pads=[1,1,1,1] dilations=[1,1] relu=false",
        "relu/sum = AddV2(relu/convolution, image/channels-last)",
        "relu = Relu(relu/sum)",
        "globalAveragePool = Mean(relu) axes=[1,2] keepDims=true",
        "flatten/channels-first = Reshape(globalAveragePool) shape=[-1,4,1,1]",
        "flatten = Reshape(flatten/channels-first) shape=[-1,4]",
        "logits = MatMul(flatten, fc.weight)",
      ].join("\n"),
    );
  });

  it("has groups as a depthwise convolution and sums on CPUs", () => {
    expect(
      formatProgram(lowerToProgram(grouped(), dialectOf("wasm")))
        .split("\n")
        .slice(2),
    ).toEqual([
      "fusedConv2d/depthwise = DepthwiseConv2dNative(image/channels-last, weight) strides=[2,2] pads=[1,1,1,1] dilations=[1,1]",
      "fusedConv2d/products = Reshape(fusedConv2d/depthwise) shape=[-1,2,2,4]",
      'fusedConv2d/sums = AvgPool(fusedConv2d/products) window=[1,2] strides=[1,2] padding="VALID"',
      "fusedConv2d/image = Reshape(fusedConv2d/sums) shape=[-1,3,3,8]",
      "fusedConv2d/bias = AddV2(fusedConv2d/image, bias)",
      "fusedConv2d = Relu(fusedConv2d/bias)",
      "y = Transpose(fusedConv2d) permutation=[0,3,1,2]",
    ]);
  });

  it("has a convolution for each group on GPUs", () => {
    const { operations, weights } = lowerToProgram(grouped(), dialectOf("webgl"));
    expect(operations.map(({ operator }) => operator).join()).toBe(
      "Transpose,Slice,_FusedConv2D,Slice,_FusedConv2D,ConcatV2,Transpose",
    );
    expect(weights.map(({ shape }) => shape)).toEqual([[3, 3, 2, 4], [4], [3, 3, 2, 4], [4]]);
  });

  // TensorFlow's own depthwise kernel refuses the others (seen with TF_ENABLE_ONEDNN_OPTS=0)
  it.each([
    ["node", { stride: 2 }, true],
    ["node", { stride: [1, 2] }, false],
    ["node", { dilation: 2 }, false],
    ["node-gpu", { dilation: [1, 2] }, false],
    ["wasm", { stride: [1, 2], dilation: 2 }, true],
  ] as const)("on %s with %o has a channel alone as a depthwise convolution: %s", (engine, attributes, isDepthwise) => {
    const x = input("x", [1, 2, 6, 6]);
    const weight = constant("w", fill([2, 1, 2, 2], 1));
    const y = ops.conv2d({ x, weight }, { groups: 2, ...attributes });
    const { operations } = lowerToProgram(graph({ name: "g", inputs: { x }, outputs: { y } }), dialectOf(engine));
    expect(operations.some(({ operator }) => operator === "DepthwiseConv2dNative")).toBe(isDepthwise);
  });

  it.each([
    ["node", 1, ["PadV2", "MaxPool"], { pads: [0, 0, 0, 0] }],
    ["node", 0, ["MaxPool"], { pads: [0, 0, 0, 0] }],
    ["wasm", 1, ["MaxPool"], { pads: [1, 1, 1, 1] }],
  ] as const)("on %s with a padding of %i pools by %s", (engine, padding, names, attributes) => {
    const { operations } = lowerToProgram(pool(padding), dialectOf(engine));
    const inside = operations.filter(({ operator }) => operator !== "Transpose");
    expect(inside.map(({ operator }) => operator)).toEqual(names);
    expect(inside.at(-1)!.attributes).toMatchObject(attributes);
    if (names.length > 1) expect(inside[0]!.attributes).toMatchObject({ value: -Infinity });
  });

  it("takes out what a stride leaves out, where there is a dilation too", () => {
    const x = input("x", [1, 1, 9, 9]);
    const y = ops.conv2d({ x, weight: constant("w", fill([1, 1, 2, 2], 1)) }, { stride: 2, dilation: 3 });
    const { operations } = lowerToProgram(graph({ name: "g", inputs: { x }, outputs: { y } }), dialectOf("wasm"));
    expect(operations[1]).toMatchObject({ operator: "Conv2D", attributes: { strides: [1, 1], dilations: [3, 3] } });
    expect(operations.slice(2, 5)).toMatchObject([
      { operator: "Reshape", attributes: { shape: [-1, 2, 3, 2] } },
      { operator: "Slice", attributes: { begin: [0, 0, 0, 0], size: [-1, 1, -1, 1] } },
      { operator: "Reshape", attributes: { shape: [-1, 3, 3, 1] } },
    ]);
  });
});

describe("on wasm a bank of 2²⁰ weights", () => {
  it.each([
    ["is a product where its answer has 64 pixels", 8, 1, true],
    ["and a convolution where it has more", 9, 1, false],
    ["or where windows lie apart", 16, 2, false],
  ] as const)("%s", (_, size, stride, isProduct) => {
    const x = input("x", ["N", 256, size, size]);
    const weight = constant("w", tensorOf("float32", [512, 256, 3, 3], new Float32Array(512 * 256 * 9)));
    const y = ops.conv2d({ x, weight }, { stride, padding: 1 });
    const { operations } = lowerToProgram(graph({ name: "g", inputs: { x }, outputs: { y } }), dialectOf("wasm"));
    const names = operations.map(({ operator }) => operator);
    expect(names.includes("MatMul")).toBe(isProduct);
    expect(names.filter((name) => name === "Slice")).toHaveLength(isProduct ? 9 : 0);
  });
});

describe("a layout", () => {
  const weightOf = (
    layout: OperatorLayout,
    shape: readonly number[],
    data: readonly number[],
    laidOut: readonly number[],
  ): Weight => ({
    name: "w",
    shape: laidOut,
    layout,
    source: tensor(shape, data),
  });

  const numbersOf = async (weight: Weight): Promise<number[]> => {
    const numbers = new Float32Array(sizeOf(weight.shape));
    await copyToLayout(weight, () => numbers);
    return [...numbers];
  };

  // [O = 4, I = 1, 1, 2] in two groups: output o, tap t is 10·o + t
  const bank = [0, 1, 10, 11, 20, 21, 30, 31];
  it.each<[OperatorLayout, readonly number[], readonly number[]]>([
    [{ kind: "kernel", group: 0, groups: 1 }, [1, 2, 1, 4], [0, 10, 20, 30, 1, 11, 21, 31]],
    [{ kind: "kernel", group: 1, groups: 2 }, [1, 2, 1, 2], [20, 30, 21, 31]],
    [{ kind: "depthwise", groups: 2, factor: 1 }, [1, 2, 2, 2], [0, 10, 20, 30, 1, 11, 21, 31]],
    [{ kind: "depthwise", groups: 2, factor: 2 }, [1, 2, 2, 2], [0, 20, 40, 60, 2, 22, 42, 62]],
    [{ kind: "channels-last" }, [4, 1, 2, 1], bank],
    [{ kind: "plain" }, [4, 1, 1, 2], bank],
  ])("%o is what it says, by hand", async (layout, shape, expected) => {
    expect(await numbersOf(weightOf(layout, [4, 1, 1, 2], bank, shape))).toEqual(expected);
  });

  it("of a matrix is its transpose, of a vector a part", async () => {
    const matrix = weightOf({ kind: "columns" }, [2, 3], [1, 2, 3, 4, 5, 6], [3, 2]);
    expect(await numbersOf(matrix)).toEqual([1, 4, 2, 5, 3, 6]);
    const vector = weightOf({ kind: "vector", group: 1, groups: 2 }, [4], [1, 2, 3, 4], [2]);
    expect(await numbersOf(vector)).toEqual([3, 4]);
  });

  it("is worked out from what a norm was folded into, and rounded once", async () => {
    const weight: Weight = {
      ...weightOf({ kind: "kernel", group: 0, groups: 1 }, [1], [0], [1, 1, 1, 2]),
      source: scaleRows(tensor([2, 1, 1, 1], [3, 5]), Float64Array.of(1 / 3, 0.1)),
    };
    expect(await numbersOf(weight)).toEqual([Math.fround(3 / 3), Math.fround(5 * 0.1)]);
  });

  it("is read some rows at a time, and goes to where its memory is by then", async () => {
    const shape = [40, 2 ** 14, 1, 1]; // two and a half buffers of 2¹⁸ numbers
    const asked: RowRange[] = [];
    const source: Source = {
      dtype: "float32",
      shape,
      firstNonFinite: -1,
      async read(into, rows) {
        asked.push(rows);
        for (let i = 0; i < into.length; i++) into[i] = rows.first * 2 ** 14 + i;
      },
    };
    const weight: Weight = { ...weightOf({ kind: "columns" }, [1], [0], [2 ** 14, 40]), source };
    let memory = new Float32Array(sizeOf(shape));
    await copyToLayout(weight, () => {
      memory = memory.slice(); // as an engine's memory that has grown
      return memory;
    });
    expect(asked).toEqual([
      { first: 0, end: 16 },
      { first: 16, end: 32 },
      { first: 32, end: 40 },
    ]);
    const expected = Float32Array.from(memory, (_, i) => (i % 40) * 2 ** 14 + Math.floor(i / 40));
    expect(Buffer.compare(Buffer.from(memory.buffer), Buffer.from(expected.buffer))).toBe(0);
  });

  it.each([
    [4096, 17],
    [3, 2 ** 18 + 1],
  ])("of %i rows of %i numbers is the same from memory and piece by piece", async (rows, row) => {
    const whole = fill([rows, row], 1);
    const lazy = permuteAxes(whole, [0, 1]);
    const weight = (source: Source): Weight => ({ name: "w", shape: [row, rows], layout: { kind: "columns" }, source });
    const [found, expected] = [new Float32Array(rows * row), new Float32Array(rows * row)];
    await copyToLayout(weight(lazy), () => found);
    await copyToLayout(weight(whole), () => expected);
    expect(Buffer.compare(Buffer.from(found.buffer), Buffer.from(expected.buffer))).toBe(0);
  });

  it("moves every number exactly once", () => {
    const sizes = fc.record({
      groups: fc.integer({ min: 1, max: 4 }),
      outputs: fc.integer({ min: 1, max: 3 }),
      channels: fc.integer({ min: 1, max: 4 }),
      taps: fc.integer({ min: 1, max: 5 }),
    });
    return fc.assert(
      fc.asyncProperty(
        sizes,
        fc.constantFrom("kernel", "depthwise", "channels-last"),
        async ({ groups, outputs, channels, taps }, kind) => {
          const shape = [groups * outputs, channels, 1, taps];
          const numbers = Array.from({ length: shape.reduce((a, b) => a * b) }, (_, i) => i);
          const layouts: readonly OperatorLayout[] =
            kind === "kernel"
              ? Array.from({ length: groups }, (_, group) => ({ kind, group, groups }) as const)
              : [kind === "depthwise" ? { kind, groups, factor: 1 } : { kind: "channels-last" }];
          const found: number[] = [];
          for (const layout of layouts) {
            found.push(...(await numbersOf(weightOf(layout, shape, numbers, [numbers.length / layouts.length]))));
          }
          expect(found.toSorted((a, b) => a - b)).toEqual(numbers);
        },
      ),
    );
  });
});
