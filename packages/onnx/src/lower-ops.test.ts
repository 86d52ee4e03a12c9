import {
  type AnyNode,
  type Attributes,
  constant,
  graph,
  input,
  type OpName,
  ops,
  sizeOf,
  type Tensor,
  tensorOf,
  toFloat64,
} from "@residual/core";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { toOnnx } from "./export.ts";
import { runModel } from "./testing/onnxruntime.ts";
import { fill } from "./testing/values.ts";

/** One application of an op: the shapes of its inputs, and its options. */
interface Case {
  readonly shapes: { readonly [input: string]: readonly number[] };
  readonly options?: object;
}

/** What onnxruntime may be off by, for each op; `magnitude` is the op on absolute values: Σ|w·x| + |bias| for sums. */
interface Allowance {
  /** Roundings on the way to one element, n of γₙ = n·u/(1 − n·u), u = 2⁻²⁴; 0 is exact. */
  readonly roundings: (inputs: { readonly [input: string]: Tensor<"float64"> }) => number;
  /** What γₙ multiplies, where it is not the op on absolute values. */
  readonly magnitude?: (inputs: { readonly [input: string]: Tensor<"float64"> }, answer: Float64Array) => number[];
}

const size = (max: number) => fc.integer({ min: 1, max });
const exact: Allowance = { roundings: () => 0 };

const images = fc.record({ n: size(3), c: size(9), h: size(12), w: size(12) });
const image = images.map(({ n, c, h, w }): Case => ({ shapes: { x: [n, c, h, w] } }));
const rows = fc.record({ n: size(4), c: size(40) }).map(({ n, c }): Case => ({ shapes: { x: [n, c] } }));

const convolutions = (fused: boolean): fc.Arbitrary<Case> =>
  fc
    .record({
      n: size(2),
      groups: size(4),
      perGroup: size(6),
      outputs: size(6),
      kernel: fc.tuple(size(4), size(4)),
      stride: fc.tuple(size(3), size(3)),
      dilation: fc.tuple(size(2), size(2)),
      spare: fc.tuple(size(8), size(8)),
      padding: fc.tuple(...[0, 1, 2, 3].map(() => fc.nat(3))),
      bias: fc.boolean(),
      residual: fc.boolean(),
      relu: fc.boolean(),
    })
    .map(({ n, groups, perGroup, outputs, kernel, stride, dilation, spare, padding, bias, residual, relu }) => {
      const side = (axis: 0 | 1) => spare[axis] + dilation[axis] * (kernel[axis] - 1);
      const shapes = {
        x: [n, groups * perGroup, side(0), side(1)],
        weight: [groups * outputs, perGroup, ...kernel],
        ...(bias && { bias: [groups * outputs] }),
      };
      const options = { stride, dilation, groups, padding };
      if (!fused) return { shapes, options };
      const shape = ops.conv2d.shape(shapes, ops.conv2d.attributes(options as object)) as number[];
      return { shapes: { ...shapes, ...(residual && { residual: shape }) }, options: { ...options, relu } };
    });

const windows = fc.record({
  n: size(2),
  c: size(5),
  window: fc.tuple(size(4), size(4)),
  stride: fc.tuple(size(4), size(4)),
  spare: fc.tuple(fc.nat(8), fc.nat(8)),
});

const cases: { readonly [Name in OpName]: fc.Arbitrary<Case> } = {
  add: images.map(({ n, c, h, w }) => ({ shapes: { a: [n, c, h, w], b: [n, c, h, w] } })),
  averagePool2d: fc
    .record({ base: windows, ceil: fc.boolean() })
    .map(({ base: { n, c, window, stride, spare }, ceil }) => ({
      // With ceil the image may be smaller than the window, and the stride may not be larger.
      shapes: { x: [n, c, ...window.map((length, i) => (ceil ? 1 : length) + spare[i as 0 | 1])] },
      options: { window, ceil, stride: ceil ? stride.map((step, i) => Math.min(step, window[i as 0 | 1])) : stride },
    })),
  batchNorm: fc
    .record({ base: images, epsilon: fc.constantFrom(0, 1e-5, 1e-3) })
    .map(({ base: { n, c, h, w }, epsilon }) => ({
      shapes: { x: [n, c, h, w], scale: [c], shift: [c], mean: [c], variance: [c] },
      options: { epsilon },
    })),
  conv2d: convolutions(false),
  flatten: image,
  fusedConv2d: convolutions(true),
  globalAveragePool: image,
  linear: fc.record({ n: size(4), i: size(70), o: size(20), bias: fc.boolean() }).map(({ n, i, o, bias }) => ({
    shapes: { x: [n, i], weight: [o, i], ...(bias && { bias: [o] }) },
  })),
  logSoftmax: rows,
  maxPool2d: fc
    .record({ base: windows, sides: fc.tuple(...[0, 1, 2, 3].map(() => fc.nat(2))) })
    .map(({ base: { n, c, window, stride, spare }, sides }) => ({
      shapes: { x: [n, c, window[0] + spare[0], window[1] + spare[1]] },
      options: {
        window,
        stride,
        padding: sides.map((side, i) => Math.min(side, Math.floor(window[(i % 2) as 0 | 1] / 2))),
      },
    })),
  multiply: images.map(({ n, c, h, w }) => ({ shapes: { x: [n, c, h, w], gate: [n, c, 1, 1] } })),
  padChannels: fc
    .record({ base: image, before: fc.nat(4), after: fc.nat(4) })
    .map(({ base, before, after }) => ({ ...base, options: { before, after } })),
  relu: image,
  sigmoid: image,
  softmax: rows,
  subsample: fc
    .record({ base: image, stride: fc.tuple(size(4), size(4)) })
    .map(({ base, stride }) => ({ ...base, options: { stride } })),
};

const taps: Allowance = { roundings: ({ weight }) => weight!.data.length / weight!.shape[0]! + 3 }; // products, bias, residual
const pixels: Allowance = { roundings: ({ x }) => x!.shape[2]! * x!.shape[3]! + 1 }; // at most the whole image, and the division

/** In a row, x − max and its exponential (a polynomial: 4 units in the last place are generous), the sum, the division. */
const rowRoundings = ({ x }: { readonly [input: string]: Tensor<"float64"> }) => x!.shape[1]! + 2 * 2 * 2 + 8;

const allowances: { readonly [Name in OpName]: Allowance } = {
  add: { roundings: () => 1 },
  averagePool2d: pixels,
  batchNorm: { roundings: () => 6 }, // variance + ε, root, quotient, products, sum
  conv2d: taps,
  flatten: exact,
  fusedConv2d: taps,
  globalAveragePool: pixels,
  linear: taps,
  logSoftmax: { roundings: rowRoundings, magnitude: (_, answer) => [...answer].map((value) => Math.abs(value) + 4) },
  maxPool2d: exact,
  multiply: { roundings: () => 1 },
  padChannels: exact,
  relu: exact,
  // MLAS answers with a rational approximation, clamped at ±18: its error is a few units in the last place of 1, not of y.
  sigmoid: { roundings: () => 4, magnitude: (_, answer) => [...answer].fill(1) },
  softmax: { roundings: rowRoundings },
  subsample: exact,
};

const u = 2 ** -24;

describe("every op on onnxruntime, against its own float64 evaluation", () => {
  it.each(Object.keys(cases) as OpName[])("%s", async (op) => {
    const runs = fc.asyncProperty(cases[op], fc.boolean(), fc.nat(1e6), (example, constants, seed) =>
      expectClose(op, example, constants, seed),
    );
    await fc.assert(runs, { numRuns: 60 });
  });
});

/** Weights go in as constants, which lets onnxruntime pack them for other kernels, or as inputs. */
async function expectClose(
  op: OpName,
  { shapes, options = {} }: Case,
  constants: boolean,
  seed: number,
): Promise<void> {
  const names = Object.keys(shapes);
  const tensors = Object.fromEntries(names.map((name, i) => [name, fill(shapes[name]!, seed + i, ...rangeOf(name))]));
  const isInput = (name: string) => !constants || name === names[0] || name === "residual";
  const inputs = Object.fromEntries(names.filter(isInput).map((name) => [name, input(name, shapes[name]!)]));
  const values = Object.fromEntries(names.map((name) => [name, inputs[name] ?? constant(name, tensors[name]!)]));
  const node = (ops[op] as unknown as (inputs: object, options: object) => AnyNode)(values, options);
  const model = graph({ name: op, inputs, outputs: { y: node } });
  const fed = Object.fromEntries(Object.keys(inputs).map((name) => [name, tensors[name]!]));
  const { y } = await runModel(toOnnx(model).model, fed);
  expect(y!.shape).toEqual(node.shape);
  compare(op, node, tensors, y!.data);
}

function rangeOf(name: string): readonly [number, number] {
  return name === "variance" ? [0.5, 1.5] : [-2, 2];
}

function compare(
  op: OpName,
  node: AnyNode,
  tensors: { readonly [name: string]: Tensor<"float32"> },
  found: ArrayLike<number>,
): void {
  const inputs = Object.fromEntries(Object.entries(tensors).map(([name, value]) => [name, toFloat64(value)]));
  const { roundings, magnitude } = allowances[op];
  const expected = evaluate(op, inputs, node);
  const bounds = magnitude?.(inputs, expected) ?? evaluate(op, absolute(inputs), node);
  const n = roundings(inputs);
  const gamma = (n * u) / (1 - n * u);
  for (let i = 0; i < sizeOf(node.shape as number[]); i++) {
    const error = Math.abs(found[i]! - expected[i]!);
    if (!(error <= gamma * bounds[i]!))
      throw new Error(`element ${i}: found ${found[i]}, expected ${expected[i]} ± ${gamma * bounds[i]!}`);
  }
}

type Evaluate = (inputs: object, attributes: Attributes, shape: readonly number[]) => Float64Array;

function evaluate(op: OpName, inputs: object, { attributes, shape }: AnyNode): Float64Array {
  return (ops[op].evaluate as unknown as Evaluate)(inputs, attributes, shape as number[]);
}

/** Every product and every term positive. A mean is subtracted, so it turns negative. */
function absolute(inputs: { readonly [name: string]: Tensor<"float64"> }): { [name: string]: Tensor<"float64"> } {
  const sign = (name: string) => (name === "mean" ? -1 : 1);
  return Object.fromEntries(
    Object.entries(inputs).map(([name, { shape, data }]) => [
      name,
      tensorOf(
        "float64",
        shape,
        data.map((value) => sign(name) * Math.abs(value)),
      ),
    ]),
  );
}
