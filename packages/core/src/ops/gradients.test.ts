import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { fill, hashU32 } from "../fixture.ts";
import { UnsupportedError } from "../ir/errors.ts";
import { graph } from "../ir/graph.ts";
import { type Tensor, tensorOf, toFloat64 } from "../ir/tensor.ts";
import { type AnyNode, input, type Pads, type Value } from "../ir/value.ts";
import { differentiate } from "../passes/differentiate.ts";
import { evaluate } from "../testing/evaluate.ts";
import { expectClose } from "../testing/expect-close.ts";
import { type OpGolden, opGoldens, tensorsOf } from "../testing/goldens.ts";
import { applyOp, type OpName, opOf, ops } from "./nodes.ts";

type Values = { readonly [name: string]: Value };
type Tensors = { readonly [name: string]: Tensor<"float64"> };

/** The gradients of y by each input, for a gradient dy of y. */
function gradientsOf(build: (inputs: Values) => AnyNode, tensors: Tensors, dy?: Tensor<"float64">): Tensors {
  const inputs = Object.fromEntries(Object.entries(tensors).map(([name, { shape }]) => [name, input(name, shape)]));
  const forward = graph({ name: "forward", inputs, outputs: { answer: build(inputs) } });
  const by = Object.keys(tensors);
  const backward = differentiate(forward, dy ? { of: "answer", by, seed: "seed" } : { of: "answer", by });
  return evaluate(backward, dy ? { ...tensors, seed: dy } : tensors);
}

describe("PyTorch's gradients", () => {
  interface Attributes {
    readonly kernel: readonly [number, number];
    readonly stride: readonly [number, number];
    readonly pads: Pads;
    readonly dilation: readonly [number, number];
    readonly groups: number;
    readonly epsilon: number;
  }
  /** The op of each kind of case; the inputs have PyTorch's names. */
  const kinds: { readonly [kind: string]: (inputs: { [name: string]: Value }, attributes: Attributes) => AnyNode } = {
    conv2d_grad: ({ x, w, b }, { stride, pads, dilation, groups }) =>
      ops.conv2d({ x: x!, weight: w!, bias: b }, { stride, padding: pads, dilation, groups }),
    batch_norm_train({ x, gamma, beta }, { epsilon }) {
      const mean = ops.batchMean({ x: x! });
      const variance = ops.batchVariance({ x: x!, mean });
      return ops.batchNorm({ x: x!, scale: gamma!, shift: beta!, mean, variance }, { epsilon });
    },
    max_pool2d_grad: ({ x }, { kernel, stride, pads }) =>
      ops.maxPool2d({ x: x! }, { window: kernel, stride, padding: pads }),
    relu_grad: ({ x }) => ops.relu({ x: x! }),
    global_avg_pool_grad: ({ x }) => ops.globalAveragePool({ x: x! }),
    linear_grad: ({ x, w, b }) => ops.linear({ x: x!, weight: w!, bias: b }),
  };
  /** PyTorch's name for the gradient of each input. */
  const outputs: { readonly [input: string]: string } = {
    x: "dx",
    w: "dw",
    b: "db",
    gamma: "dgamma",
    beta: "dbeta",
  };

  it.each(opGoldens(...Object.keys(kinds)).map((golden): [string, OpGolden] => [golden.id, golden]))(
    "%s",
    (_, golden) => {
      const all = tensorsOf(golden);
      const names = Object.keys(golden.inputs).filter((name) => name in outputs);
      const tensors = Object.fromEntries(names.map((name) => [name, all[name]!]));
      const build = (values: Values) => kinds[golden.op]!(values, golden.attrs as unknown as Attributes);
      const found = gradientsOf(build, tensors, all.dy);
      expectClose(found.answer!, all.y!, 1e-12);
      for (const name of names) expectClose(found[`${name}.gradient`]!, all[outputs[name]!]!, 1e-12);
    },
  );

  it("grad_cross_entropy", () => {
    const [golden] = opGoldens("cross_entropy_grad") as [OpGolden];
    const { x, labels, y, dx } = tensorsOf(golden) as {
      readonly [Name in "x" | "labels" | "y" | "dx"]: Tensor<"float64">;
    };
    const [n = 0, classes = 0] = x.shape;
    const hot = Float64Array.from({ length: n * classes }, (_, i) =>
      labels.data[Math.floor(i / classes)] === i % classes ? 1 : 0,
    );
    const target = tensorOf("float64", [n, classes], hot);
    const found = gradientsOf(({ logits, target }) => ops.crossEntropy({ logits: logits!, target: target! }), {
      logits: x,
      target,
    });
    expectClose(found.answer!, y, 1e-12);
    expectClose(found["logits.gradient"]!, dx, 1e-12);
  });
});

/** The numbers of an input: from lo to hi, or steps of 0.1 in random order, so that no two are close. */
interface Range {
  readonly shape: readonly number[];
  readonly lo?: number;
  readonly hi?: number;
  readonly isSpread?: boolean;
}

interface Draft {
  readonly inputs: { readonly [name: string]: Range };
  readonly options?: object;
}

const size = fc.integer({ min: 1, max: 4 });
const batch = fc.integer({ min: 2, max: 3 });
const image = fc.tuple(batch, size, fc.integer({ min: 4, max: 7 }), fc.integer({ min: 4, max: 7 }));
const matrix = fc.tuple(batch, fc.integer({ min: 2, max: 6 }));
const any: fc.Arbitrary<readonly number[]> = fc.oneof(
  image,
  matrix,
  size.map((c) => [c]),
  fc.constant([]),
);
const scalar = { shape: [] };
const positive = { lo: 0.5, hi: 2 };

/** Shapes from which `shape` can be made by repeating axes. */
const smaller = (shape: readonly number[]) =>
  fc.oneof(
    fc.constant<readonly number[]>([]),
    fc.array(fc.boolean(), { minLength: shape.length, maxLength: shape.length }).map((keep) => {
      return shape.map((size, axis) => (keep[axis] ? size : 1));
    }),
  );

/** Inputs of one shape. */
const alike = (...names: readonly string[]) =>
  any.map((shape): Draft => ({ inputs: Object.fromEntries(names.map((name) => [name, { shape }])) }));

const onImage = (options?: object) =>
  image.map((shape): Draft => ({ inputs: { x: { shape } }, ...(options && { options }) }));

const onMatrix = (...names: readonly string[]) =>
  matrix.map((shape): Draft => ({ inputs: Object.fromEntries(names.map((name) => [name, { shape }])) }));

const window = fc.record({ window: fc.constantFrom(2, 3), stride: fc.constantFrom(1, 2) });

const norm = image.map((shape) => {
  const vector = { shape: [shape[1]] };
  return { x: { shape }, scale: vector, shift: vector, mean: vector, variance: { ...vector, ...positive } };
});

const convolution = fc
  .record({
    groups: fc.constantFrom(1, 2),
    n: batch,
    perGroup: size,
    rows: size,
    h: fc.integer({ min: 5, max: 8 }),
    w: fc.integer({ min: 5, max: 8 }),
    kernel: fc.tuple(fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: 3 })),
    stride: fc.tuple(fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: 3 })),
    dilation: fc.constantFrom(1, 2),
    padding: fc.tuple(fc.nat(2), fc.nat(2), fc.nat(2), fc.nat(2)),
    bias: fc.boolean(),
  })
  .map(({ groups, n, perGroup, rows, h, w, kernel, bias, ...options }): Draft => {
    const weight = { shape: [groups * rows, perGroup, ...kernel] };
    const inputs = { x: { shape: [n, groups * perGroup, h, w] }, weight };
    return {
      inputs: bias ? { ...inputs, bias: { shape: [groups * rows] } } : inputs,
      options: { ...options, groups },
    };
  });

/** Random inputs of each op that has a gradient, away from kinks. */
const drafts: { readonly [Name in OpName]?: fc.Arbitrary<Draft> } = {
  adamStep: any.map((shape) => ({
    inputs: {
      parameter: { shape },
      mean: { shape },
      square: { shape, ...positive },
      meanWeight: { ...scalar, ...positive },
      squareWeight: { ...scalar, ...positive },
      learningRate: scalar,
    },
    options: { epsilon: 0.1, rate: 0.7, decay: 0.3 },
  })),
  add: alike("a", "b"),
  affine: alike("x").map((draft) => ({ ...draft, options: { factor: -1.5, offset: 2 } })),
  averagePool2d: fc
    .tuple(image, window, fc.boolean())
    .map(([shape, window, ceil]) => ({ inputs: { x: { shape } }, options: { ...window, ceil } })),
  batchMean: onImage(),
  batchNorm: norm.map((inputs) => ({ inputs, options: { epsilon: 0.1 } })),
  batchNormInputGradient: norm.map(({ shift: vector, ...inputs }) => ({
    inputs: { ...inputs, dy: inputs.x, scaleGradient: vector, shiftGradient: vector },
    options: { epsilon: 0.1 },
  })),
  batchNormScaleGradient: norm.map(({ x, mean, variance }) => ({ inputs: { x, dy: x, mean, variance } })),
  channelSum: fc.oneof(image, matrix).map((shape) => ({ inputs: { x: { shape } } })),
  choose: any.map((shape) => ({ inputs: { before: { shape }, after: { shape }, condition: scalar } })),
  clipFactor: fc
    .constantFrom(0.3, 3)
    .map((limit) => ({ inputs: { squares: { ...scalar, ...positive } }, options: { limit } })),
  conv2d: convolution,
  crossEntropy: onMatrix("logits", "target"),
  descend: any.map((shape) => ({
    inputs: { parameter: { shape }, direction: { shape }, learningRate: scalar },
    options: { rate: 0.7, decay: 0.3 },
  })),
  divide: any.chain((shape) => smaller(shape).map((b) => ({ inputs: { a: { shape }, b: { shape: b, ...positive } } }))),
  flatten: onImage(),
  fusedConv2d: convolution.chain((draft) => {
    const shapes = Object.fromEntries(Object.entries(draft.inputs).map(([name, { shape }]) => [name, shape]));
    const residual = { shape: ops.conv2d.shape(shapes as never, ops.conv2d.attributes(draft.options!)) };
    return fc.boolean().map(
      (hasResidual): Draft => ({
        // far from 0, the kink of the ReLU that follows the sum
        inputs: { ...draft.inputs, ...(hasResidual && { residual: { ...residual, lo: 40, hi: 41 } as Range }) },
        options: { ...draft.options, relu: hasResidual },
      }),
    );
  }),
  globalAveragePool: onImage(),
  linear: fc.tuple(batch, size, size, fc.boolean()).map(([n, features, outputs, bias]) => ({
    inputs: {
      x: { shape: [n, features] },
      weight: { shape: [outputs, features] },
      ...(bias && { bias: { shape: [outputs] } }),
    },
  })),
  logSoftmax: onMatrix("x"),
  logSoftmaxGradient: onMatrix("x", "dy"),
  maxPool2d: fc.tuple(image, window, fc.constantFrom(0, 1)).map(([shape, window, padding]) => ({
    inputs: { x: { shape, isSpread: true } },
    options: { ...window, padding },
  })),
  meanSquaredError: any.map((shape) => ({ inputs: { x: { shape }, target: { shape } } })),
  movingAverage: fc.tuple(any, fc.boolean(), fc.boolean()).map(([shape, full, squared]) => ({
    inputs: { average: { shape }, value: { shape }, ...(full && { parameter: { shape }, factor: scalar }) },
    options: { keep: 0.9, share: 0.3, decay: full ? 0.2 : 0, squared },
  })),
  multiply: fc.tuple(image, fc.boolean()).map(([shape, isWhole]) => ({
    inputs: { x: { shape }, gate: { shape: isWhole ? shape : [shape[0], shape[1], 1, 1] } },
  })),
  padChannels: onImage({ before: 1, after: 2 }),
  relu: any.map((shape) => ({ inputs: { x: { shape, isSpread: true } } })),
  reshape: image.map((shape) => ({ inputs: { x: { shape } }, options: { shape: [-1, shape[3], shape[1]] } })),
  sigmoid: alike("x"),
  sigmoidGradient: alike("y", "dy"),
  softmax: onMatrix("x"),
  softmaxGradient: onMatrix("y", "dy"),
  sqrt: any.map((shape) => ({ inputs: { x: { shape, ...positive } } })),
  subsample: onImage({ stride: [2, 3] }),
  sum: any.chain((shape) =>
    fc.subarray(shape.map((_, axis) => axis)).map((axes) => ({ inputs: { x: { shape } }, options: { axes } })),
  ),
  sumOfSquares: any.map((shape) => ({ inputs: { x: { shape }, total: scalar } })),
  times: any.chain((shape) => smaller(shape).map((b) => ({ inputs: { a: { shape }, b: { shape: b } } }))),
  zeroPad2d: onImage({ padding: [1, 0, 2, 1] }),
};

/** Ops that only gradients consist of. batchVariance is differentiated together with batchMean. */
const without: readonly OpName[] = [
  "averagePool2dGradient",
  "conv2dInputGradient",
  "conv2dWeightGradient",
  "expand",
  "linearInputGradient",
  "linearWeightGradient",
  "maxPool2dGradient",
  "reluGradient",
  "sliceChannels",
  "subsampleGradient",
];

function numbersOf(name: string, { shape, lo = -1, hi = 1, isSpread = false }: Range, seed: number): Tensor<"float64"> {
  const uniform = toFloat64(fill(`${seed}`, name, shape, lo, hi));
  if (!isSpread) return uniform;
  const order = [...uniform.data.keys()].sort((a, b) => uniform.data[a]! - uniform.data[b]!);
  const data = new Float64Array(order.length);
  for (const [rank, i] of order.entries()) data[i] = 0.1 * (rank - Math.floor(order.length / 2)) + 0.05;
  return tensorOf("float64", shape, data);
}

function randomlike({ shape }: { readonly shape: readonly number[] }, name: string, seed: number): Tensor<"float64"> {
  return toFloat64(fill(`${seed}`, name, shape, -1, 1));
}

function dot(a: Tensor<"float64">, b: Tensor<"float64">): number {
  return a.data.reduce((sum, value, i) => sum + value * b.data[i]!, 0);
}

/**
 * Compares the derivative along a random direction with a central difference of step h. Its error is h² times the third
 * derivative, below 1e-8 here, and the rounding of Σ dy · y divided by h, below 1e-10 · |y|.
 */
function expectDerivative(build: (inputs: Values) => AnyNode, tensors: Tensors, seed: number): void {
  const inputs = Object.fromEntries(Object.entries(tensors).map(([name, { shape }]) => [name, input(name, shape)]));
  const forward = graph({ name: "forward", inputs, outputs: { answer: build(inputs) } });
  const valueAt = (at: Tensors) => evaluate(forward, at).answer!;
  const dy = randomlike(valueAt(tensors), "dy", seed);
  const gradients = gradientsOf(build, tensors, dy);
  const h = 1e-5;
  for (const [name, at] of Object.entries(tensors)) {
    const direction = randomlike(at, `direction/${name}`, seed);
    const moved = (step: number) => {
      const data = at.data.map((value, i) => value + step * direction.data[i]!);
      return dot(dy, valueAt({ ...tensors, [name]: tensorOf("float64", at.shape, data) }));
    };
    const [found, expected] = [dot(gradients[`${name}.gradient`]!, direction), (moved(h) - moved(-h)) / (2 * h)];
    const scale = 1 + dot(dy, dy) + Math.abs(expected);
    expect(Math.abs(found - expected) / scale, `d y / d ${name}: ${found}, expected ${expected}`).toBeLessThan(1e-7);
  }
}

describe("finite differences", () => {
  it.each(Object.entries(drafts))("%s", (op, arbitrary: fc.Arbitrary<Draft>) => {
    fc.assert(
      fc.property(arbitrary, fc.nat(), ({ inputs, options }, salt) => {
        const seed = hashU32(salt, 0);
        const tensors = Object.fromEntries(
          Object.entries(inputs).map(([name, range]) => [name, numbersOf(name, range, seed)]),
        );
        expectDerivative((values) => applyOp(op, values, options ?? {}), tensors, seed);
      }),
      { numRuns: 40 },
    );
  });

  it("batchVariance of the batch's own mean", () => {
    fc.assert(
      fc.property(image, fc.nat(), (shape, seed) => {
        const build = ({ x }: Values) => ops.batchVariance({ x: x!, mean: ops.batchMean({ x: x! }) });
        expectDerivative(build, { x: numbersOf("x", { shape }, seed) }, seed);
      }),
      { numRuns: 40 },
    );
  });

  it("are drawn for every op with a gradient", () => {
    const names = [...Object.keys(drafts), ...without, "batchVariance"];
    expect(names.sort()).toEqual(Object.keys(ops).sort());
  });
});

it("ops of gradients have no second derivatives", () => {
  const [y, dy] = [input("y", [2, 3]), input("dy", [2, 3])];
  const once = graph({ name: "g", inputs: { y, dy }, outputs: { dx: ops.reluGradient({ y, dy }) } });
  expect(() => differentiate(once, { of: "dx", by: ["dy"], seed: "seed" })).toThrow(UnsupportedError);
  for (const name of without) expect("gradient" in opOf(name)).toBe(false);
});

it("relu's gradient at 0 is 0, and passes a NaN of y", () => {
  const x = tensorOf("float64", [4], Float64Array.of(0, -0, Number.NaN, 1));
  const dy = tensorOf("float64", [4], Float64Array.of(5, 6, 7, 8));
  expect([...gradientsOf(({ x }) => ops.relu({ x: x! }), { x }, dy)["x.gradient"]!.data]).toEqual([0, 0, 7, 8]);
});

it("maxPool2d's gradient goes to the first of a tie, and to the first NaN", () => {
  const pooled = (numbers: readonly number[]) => {
    const x = tensorOf("float64", [1, 1, 2, 2], Float64Array.from(numbers));
    const dy = tensorOf("float64", [1, 1, 1, 1], Float64Array.of(3));
    return [...gradientsOf(({ x }) => ops.maxPool2d({ x: x! }, { window: 2 }), { x }, dy)["x.gradient"]!.data];
  };
  expect(pooled([1, 2, 2, 2])).toEqual([0, 3, 0, 0]);
  expect(pooled([-Infinity, -Infinity, -Infinity, -Infinity])).toEqual([3, 0, 0, 0]);
  expect(pooled([1, 2, Number.NaN, Number.NaN])).toEqual([0, 0, 3, 0]);
});
