import { type Backend, fill, type OpName, type Tensor, type WorkOptions } from "@residual/core";
import fc, { type Arbitrary } from "fast-check";
import type { Arithmetic } from "../arithmetic.ts";
import { type Outcome, runTrials, type Trial } from "../trial.ts";
import { constantsAmong } from "./op-case.ts";

/** An application of an op, without its numbers. */
interface Draft {
  readonly shapes: { readonly [input: string]: readonly number[] };
  readonly attributes?: object;
}

const upTo = (most: number): Arbitrary<number> => fc.integer({ min: 1, max: most });
const from0 = (most: number): Arbitrary<number> => fc.integer({ min: 0, max: most });
const both = (each: Arbitrary<number>): Arbitrary<[number, number]> => fc.tuple(each, each);
const image = fc.tuple(upTo(3), upTo(7), upTo(9), upTo(9));
const rows = fc.tuple(upTo(4), upTo(33));

/** Kernels and paddings of all kinds, and an image that the kernel fits into at least once, by construction. */
const convolution = fc
  .record({
    batch: upTo(3),
    groups: upTo(4),
    inputs: upTo(5),
    outputs: upTo(5),
    kernel: both(upTo(4)),
    stride: both(upTo(3)),
    dilation: both(upTo(3)),
    padding: fc.tuple(from0(3), from0(3), from0(3), from0(3)),
    extra: both(from0(8)),
    bias: fc.boolean(),
    residual: fc.boolean(),
    relu: fc.boolean(),
  })
  .map(({ batch, groups, inputs, outputs, kernel, stride, dilation, padding, extra, bias, residual, relu }) => {
    const [top, left, bottom, right] = padding;
    const reach = kernel.map((taps, axis) => dilation[axis]! * (taps - 1) + 1) as [number, number];
    const sides = [Math.max(1, reach[0] - top - bottom) + extra[0], Math.max(1, reach[1] - left - right) + extra[1]];
    const steps = [sides[0]! + top + bottom - reach[0], sides[1]! + left + right - reach[1]];
    const out = steps.map((each, axis) => Math.floor(each / stride[axis]!) + 1);
    return {
      x: [batch, groups * inputs, ...sides],
      weight: [groups * outputs, inputs, ...kernel],
      bias: bias ? { bias: [groups * outputs] } : {},
      residual: residual ? { residual: [batch, groups * outputs, ...out] } : {},
      attributes: { stride, padding, dilation, groups },
      relu,
    };
  });

const maxPool = fc
  .record({
    planes: both(upTo(3)),
    window: both(upTo(4)),
    stride: both(upTo(4)),
    extra: both(from0(8)),
    part: fc.tuple(from0(4), from0(4), from0(4), from0(4)),
  })
  .map(({ planes, window, stride, extra, part }): Draft => {
    const most = window.map((size) => Math.floor(size / 2)) as [number, number];
    const padding = part.map((each, side) => Math.min(each, most[side % 2]!)) as [number, number, number, number];
    const [top, left, bottom, right] = padding;
    const sides = [Math.max(1, window[0] - top - bottom) + extra[0], Math.max(1, window[1] - left - right) + extra[1]];
    return { shapes: { x: [...planes, ...sides] }, attributes: { window, stride, padding } };
  });

const averagePool = fc
  .record({
    planes: both(upTo(3)),
    window: both(upTo(4)),
    stride: both(upTo(4)),
    extra: both(from0(8)),
    ceil: fc.boolean(),
  })
  .map(({ planes, window, stride, extra, ceil }): Draft => {
    const least = ceil ? [1, 1] : window;
    const step = ceil ? stride.map((each, axis) => Math.min(each, window[axis]!)) : stride;
    const sides = [least[0]! + extra[0], least[1]! + extra[1]];
    return { shapes: { x: [...planes, ...sides] }, attributes: { window, stride: step, ceil } };
  });

const same = fc.oneof(image, rows).map((x): Draft => ({ shapes: { x } }));
const perRow = rows.map((x): Draft => ({ shapes: { x } }));
const perImage = image.map((x): Draft => ({ shapes: { x } }));

/** What to draw for each op. Every draft is one that the op takes; a new op does not compile without its own. */
const drafts: { readonly [Name in OpName]: Arbitrary<Draft> } = {
  conv2d: convolution.map(({ x, weight, bias, attributes }) => ({ shapes: { x, weight, ...bias }, attributes })),
  fusedConv2d: convolution.map(({ x, weight, bias, residual, attributes, relu }) => ({
    shapes: { x, weight, ...bias, ...residual },
    attributes: { ...attributes, relu },
  })),
  linear: fc
    .record({ batch: upTo(4), inputs: upTo(40), outputs: upTo(20), bias: fc.boolean() })
    .map(({ batch, inputs, outputs, bias }) => ({
      shapes: { x: [batch, inputs], weight: [outputs, inputs], ...(bias && { bias: [outputs] }) },
    })),
  batchNorm: fc.tuple(image, fc.constantFrom(1e-5, 1e-3, 0.25)).map(([x, epsilon]) => ({
    shapes: { x, scale: [x[1]], shift: [x[1]], mean: [x[1]], variance: [x[1]] },
    attributes: { epsilon },
  })),
  maxPool2d: maxPool,
  averagePool2d: averagePool,
  globalAveragePool: perImage,
  add: fc.oneof(image, rows).map((a) => ({ shapes: { a, b: a } })),
  multiply: image.map((x) => ({ shapes: { x, gate: [x[0], x[1], 1, 1] } })),
  relu: same,
  sigmoid: same,
  softmax: perRow,
  logSoftmax: perRow,
  flatten: perImage,
  subsample: fc.tuple(image, both(upTo(4))).map(([x, stride]) => ({ shapes: { x }, attributes: { stride } })),
  padChannels: fc
    .tuple(image, from0(4), from0(4))
    .map(([x, before, after]) => ({ shapes: { x }, attributes: { before, after } })),
};

/** Each input's numbers: the same for the same shapes, so that what is printed of a trial is all that it takes to repeat it. */
function numbersOf(op: OpName, input: string, shape: readonly number[]): Tensor<"float32"> {
  if (input === "variance") return fill("random", `${op}/${input}`, shape, 0.5, 1.5);
  const most = op === "softmax" || op === "logSoftmax" || op === "sigmoid" ? 12 : 2;
  return fill("random", `${op}/${input}`, shape, -most, most);
}

/** Which inputs are constants: weights usually are, but may be computed; the second operand of a sum may be a constant. */
const constancies = {
  none: () => new Set<string>(),
  weights: constantsAmong,
  allButFirst: ([, ...rest]: readonly string[]) => new Set(rest),
} as const;

type Constancy = keyof typeof constancies;

/** Any application of an op, small enough to be looked at. */
export function arbitraryTrial(op: OpName): Arbitrary<Trial> {
  const kinds: Constancy[] = op === "batchNorm" ? ["weights"] : ["weights", "none", "allButFirst"]; // simplest first
  return fc.tuple(drafts[op], fc.constantFrom(...kinds)).map(([{ shapes, attributes = {} }, constancy]) => {
    const names = Object.keys(shapes);
    const inputs = Object.fromEntries(names.map((name) => [name, numbersOf(op, name, shapes[name]!)]));
    return { name: op, op, attributes, inputs, constants: constancies[constancy](names) };
  });
}

export interface RandomOptions {
  readonly seed: number;
  readonly runs: number;
}

/** So many trials of an op; the same for the same seed. */
export function randomTrials(op: OpName, { seed, runs }: RandomOptions): readonly Trial[] {
  return fc.sample(arbitraryTrial(op), { seed, numRuns: runs });
}

/** The smallest trial that still fails, where one of those did; undefined where each passes when run by itself. */
export async function shrink(
  backend: Backend,
  op: OpName,
  { seed, runs }: RandomOptions,
  arithmetic: Arithmetic,
  work: WorkOptions = {},
): Promise<Outcome | undefined> {
  let smallest: Outcome | undefined;
  const passes = fc.asyncProperty(arbitraryTrial(op), async (trial) => {
    for await (const outcome of runTrials(backend, [trial], arithmetic, work)) {
      if (outcome.share <= 1) continue;
      smallest = outcome;
      return false;
    }
    return true;
  });
  await fc.check(passes, { seed, numRuns: runs });
  return smallest;
}
