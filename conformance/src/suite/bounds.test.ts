import {
  evaluateOp,
  fill,
  mapValues,
  type OpName,
  ops,
  type Tensor,
  tensor,
  tensorOf,
  toFloat64,
  UnsupportedError,
} from "@residual/core";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { float32, gamma } from "./arithmetic.ts";
import { derivedBound } from "./bounds.ts";
import { arbitraryTrial } from "./cases/random.ts";
import { compare, expectationOf, type Trial } from "./trial.ts";

/**
 * Honest float32 answers, with each operation rounded, have to be within every bound. Answers with a mistake have to
 * exceed their bound.
 */
const u = 2 ** -24;
const f = Math.fround;
const seeds = Array.from({ length: 40 }, (_, i) => `seed ${i}`);

function trialOf(op: OpName, inputs: Trial["inputs"], attributes: object = {}): Trial {
  return { name: op, op, attributes, inputs, constants: new Set() };
}

function shareOf(trial: Trial, found: ArrayLike<number>): number {
  const { value, bound } = expectationOf(trial);
  return compare(found, value, bound).share;
}

/** Positive and negative numbers of 0.5 to 1.5: a sum that lacks one of them is off by more than rounding. */
function signed(seed: string, name: string, shape: readonly number[]): Tensor<"float32"> {
  const { data } = fill(seed, name, shape, -1, 1);
  const away = data.map((value) => value + (value < 0 ? -0.5 : 0.5));
  return tensor(shape, away);
}

describe("by hand", () => {
  it("γ of 1, and of so many that it is 1", () => {
    expect(gamma(1, float32)).toBe(u / (1 - u));
    expect(gamma(2 ** 23, float32)).toBe(1);
  });

  it("γ of more roundings than a bound can hold is refused", () => {
    expect(() => gamma(2 ** 24, float32)).toThrow("float32: 16777216 roundings");
    expect(() => gamma(4608, { name: "float16", unit: 2 ** -11 })).toThrow(UnsupportedError);
  });

  const [x, weight, bias] = [
    tensor([1, 1, 2, 2], [1, 2, 3, 4]),
    tensor([1, 1, 2, 2], [1, -1, 0.5, 2]),
    tensor([1], [0.25]),
  ];

  it("conv2d: 1 − 2 + 1.5 + 8 + 0.25, five terms of 12.75 in all", () => {
    const { value, bound } = expectationOf(trialOf("conv2d", { x, weight, bias }));
    expect([...value]).toEqual([8.75]);
    expect(bound[0]).toBeCloseTo((5 * u * 12.75) / (1 - 5 * u), 14);
  });

  it("fusedConv2d has a term more, and no bound but its one answer where infinity is in the sum", () => {
    const residual = tensor([1, 1, 1, 1], [-20]);
    const finite = expectationOf(trialOf("fusedConv2d", { x, weight, bias, residual }, { relu: true }));
    expect([...finite.value]).toEqual([0]);
    expect(finite.bound[0]).toBeCloseTo((6 * u * 32.75) / (1 - 6 * u), 14);
    const infinite = tensor([1, 1, 1, 1], [-Infinity]);
    const negative = trialOf("fusedConv2d", { x, weight, bias, residual: infinite }, { relu: true });
    expect([shareOf(negative, [0]), shareOf(negative, [5])]).toEqual([0, Infinity]);
  });

  it("the bound of a sum is as small as it can be: 1 and 63 times u in a row lose all but the 1", () => {
    const row = Array.from({ length: 64 }, (_, i) => (i === 0 ? 1 : u));
    const trial = trialOf("linear", { x: tensor([1, 64], row), weight: tensor([1, 64], Array(64).fill(1)) });
    expect(shareOf(trial, [row.reduce((a, b) => f(a + b))])).toBeGreaterThan(0.98);
    expect(shareOf(trial, [row.reduce((a, b) => f(a + b))])).toBeLessThanOrEqual(1);
  });
});

const plus = (a: number, b: number): number => f(a + b);

/**
 * Ways to add exact products in float32. Each product and each sum is rounded; with fused, only each sum is rounded.
 */
const orders: { readonly [name: string]: (products: readonly number[]) => number } = {
  forward: (products) => products.map(f).reduce(plus),
  reverse: (products) => products.map(f).reduceRight(plus),
  shuffled: (products) => shuffled(products).map(f).reduce(plus),
  pairwise: (products) => pairwise(products.map(f)),
  fused: (products) => products.reduce(plus, 0), // a product is exact in float64, and its sum is nearly exact
};

function shuffled(products: readonly number[]): number[] {
  const keys = fill("shuffled", "keys", [products.length], 0, 1).data;
  return [...products.keys()].sort((a, b) => keys[a]! - keys[b]!).map((i) => products[i]!);
}

function pairwise(terms: readonly number[]): number {
  if (terms.length === 1) return terms[0]!;
  const half = terms.length >> 1;
  return f(pairwise(terms.slice(0, half)) + pairwise(terms.slice(half)));
}

/**
 * An op as sums: the exact terms of each element (products, then bias and residual), and the function applied to their
 * sum.
 */
interface Sums {
  readonly trial: Trial;
  readonly products: readonly (readonly number[])[];
  readonly finish: (sum: number) => number;
}

type Four = readonly [number, number, number, number];

/** The result of `make` for each index [n, c, h, w] of the trial's answer. */
function each<T>(trial: Trial, make: (n: number, c: number, h: number, w: number) => T): T[] {
  const [n, c, h, w] = expectationOf(trial).shape as Four;
  return Array.from({ length: n * c * h * w }, (_, i) =>
    make(Math.floor(i / (c * h * w)), Math.floor(i / (h * w)) % c, Math.floor(i / w) % h, i % w),
  );
}

function at({ shape, data }: Tensor<"float32">, n: number, c: number, h: number, w: number): number {
  const [, channels, height, width] = shape as Four;
  return h < 0 || h >= height || w < 0 || w >= width ? 0 : data[((n * channels + c) * height + h) * width + w]!;
}

/** 4 channels to 6 in 2 groups. Padding, stride and dilation differ on each side. */
function convolution(seed: string, op: "conv2d" | "fusedConv2d"): Sums {
  const x = signed(seed, "x", [2, 4, 5, 6]);
  const weight = signed(seed, "weight", [6, 2, 3, 2]);
  const bias = signed(seed, "bias", [6]);
  const residual = op === "fusedConv2d" ? signed(seed, "residual", [2, 6, 3, 6]) : undefined;
  const attributes = {
    stride: [2, 1],
    padding: [1, 0, 1, 2],
    dilation: [1, 2],
    groups: 2,
    ...(residual && { relu: true }),
  };
  const trial = trialOf(op, { x, weight, bias, ...(residual && { residual }) }, attributes);
  const products = each(trial, (n, o, i, j) => {
    const seen: number[] = [];
    for (let c = 0; c < 2; c++) {
      for (let tap = 0; tap < 6; tap++) {
        const [p, q] = [tap >> 1, tap % 2];
        seen.push(at(x, n, c + (o < 3 ? 0 : 2), 2 * i - 1 + p, j + 2 * q) * at(weight, o, c, p, q));
      }
    }
    const rest = residual ? [bias.data[o]!, at(residual, n, o, i, j)] : [bias.data[o]!];
    return [...seen.filter((product) => product !== 0), ...rest];
  });
  return { trial, products, finish: residual ? (sum) => Math.max(sum, 0) : f };
}

const summing: { readonly [op: string]: (seed: string) => Sums } = {
  conv2d: (seed) => convolution(seed, "conv2d"),
  fusedConv2d: (seed) => convolution(seed, "fusedConv2d"),
  linear(seed) {
    const [x, weight, bias] = [
      signed(seed, "x", [2, 300]),
      signed(seed, "weight", [3, 300]),
      signed(seed, "bias", [3]),
    ];
    const products = Array.from({ length: 6 }, (_, i) => {
      const row = weight.data.subarray((i % 3) * 300, (i % 3) * 300 + 300);
      return [...Array.from(row, (w, k) => w * x.data[(i < 3 ? 0 : 300) + k]!), bias.data[i % 3]!];
    });
    return { trial: trialOf("linear", { x, weight, bias }), products, finish: f };
  },
  averagePool2d(seed) {
    const x = signed(seed, "x", [2, 3, 7, 6]);
    const trial = trialOf("averagePool2d", { x }, { window: [3, 2], stride: 2 });
    const taps = [0, 1, 2, 3, 4, 5];
    const products = each(trial, (n, c, i, j) => taps.map((tap) => at(x, n, c, 2 * i + (tap >> 1), 2 * j + (tap % 2))));
    return { trial, products, finish: (sum) => f(sum * f(1 / 6)) };
  },
  globalAveragePool(seed) {
    const x = signed(seed, "x", [2, 3, 7, 7]);
    const trial = trialOf("globalAveragePool", { x });
    const products = each(trial, (n, c) => [...x.data.subarray((n * 3 + c) * 49, (n * 3 + c + 1) * 49)]);
    return { trial, products, finish: (sum) => f(sum / 49) };
  },
};

describe.each(Object.entries(summing))("%s", (_, make) => {
  it.each(Object.entries(orders))("%s sums are within the bound", (_, add) => {
    for (const seed of seeds) {
      const { trial, products, finish } = make(seed);
      const found = products.map((terms) => finish(add(terms)));
      expect(shareOf(trial, found), seed).toBeLessThanOrEqual(1);
    }
  });

  it.each([
    ["first product", 1, undefined],
    ["last product, bias or residual", 0, -1],
  ])("a sum without its %s is not", (_, from, to) => {
    for (const seed of seeds) {
      const { trial, products, finish } = make(seed);
      const found = products.map((terms) => finish(orders.pairwise!(terms.slice(from, to))));
      expect(shareOf(trial, found), seed).toBeGreaterThan(1);
    }
  });
});

/** Rounds to 11 bits, the mantissa of TF32 and float16 (Veltkamp's splitting). */
function toHalf(value: number): number {
  const scaled = f(value * (2 ** 13 + 1));
  return f(scaled - f(scaled - value));
}

it.each(["conv2d", "fusedConv2d"] as const)("%s in products of 11 bits is beyond the bound of its short sum", (op) => {
  for (const seed of seeds) {
    const { trial, products, finish } = convolution(seed, op);
    const found = products.map((terms) => finish(orders.pairwise!(terms.map(toHalf))));
    expect(shareOf(trial, found), seed).toBeGreaterThan(1);
  }
});

describe("batchNorm", () => {
  /** Ways to compute 1 / √v: two correct operations, or one operation that is 2 ulp off in either direction. */
  const roots: { readonly [name: string]: (variance: number) => number } = {
    "a division by a root": (variance) => f(1 / f(Math.sqrt(variance))),
    "a reciprocal root 2 ulp below": (variance) => f((1 - 3 * u) / Math.sqrt(variance)),
    "a reciprocal root 2 ulp above": (variance) => f((1 + 3 * u) / Math.sqrt(variance)),
  };
  type Form = (x: number, gain: number, mean: number, shift: number) => number;
  const forms: { readonly [name: string]: Form } = {
    "(x − mean)·g + shift": (x, gain, mean, shift) => f(f(f(x - mean) * gain) + shift),
    "x·g + (shift − mean·g)": (x, gain, mean, shift) => f(f(x * gain) + f(shift - f(mean * gain))),
    "the same, fused": (x, gain, mean, shift) => f(x * gain + f(shift - mean * gain)),
  };
  const ways = Object.entries(forms).flatMap(([formula, form]) =>
    Object.entries(roots).map(([name, root]) => [`${formula}, g by ${name}`, form, root] as const),
  );

  function shareWith(seed: string, form: Form, root: (variance: number) => number, epsilon: number): number {
    const x = signed(seed, "x", [2, 3, 4, 5]);
    const [scale, shift, mean] = [signed(seed, "scale", [3]), signed(seed, "shift", [3]), signed(seed, "mean", [3])];
    const variance = fill(seed, "variance", [3], 0.01, 1.5);
    const gain = variance.data.map((each, c) => f(scale.data[c]! * root(f(each + f(epsilon)))));
    const found = x.data.map((each, i) => {
      const c = Math.floor(i / 20) % 3;
      return form(each, gain[c]!, mean.data[c]!, shift.data[c]!);
    });
    return shareOf(trialOf("batchNorm", { x, scale, shift, mean, variance }, { epsilon: 1e-5 }), found);
  }

  it.each(ways)("%s, is within the bound, and not with Keras's epsilon", (_, form, root) => {
    for (const seed of seeds) {
      expect(shareWith(seed, form, root, 1e-5), seed).toBeLessThanOrEqual(1);
      expect(shareWith(seed, form, root, 1e-3), seed).toBeGreaterThan(1);
    }
  });
});

/** Exponentials at the limits of the requirement: rounded once, or 3 + 2·|x| ulp off in either direction. */
const exponentials: { readonly [name: string]: (x: number) => number } = {
  "correctly rounded": (x) => f(Math.exp(x)),
  "as low as WGSL allows": (x) => f(Math.exp(x) * (1 - (5 + 4 * Math.abs(x)) * u)),
  "as high as WGSL allows": (x) => f(Math.exp(x) * (1 + (5 + 4 * Math.abs(x)) * u)),
};

describe.each(Object.entries(exponentials))("with an e^x %s", (_, exp) => {
  /** A row of logits, and e^(x − largest) of each logit. */
  function row(seed: string) {
    const x = fill(seed, "x", [1, 50], -20, 20);
    const largest = Math.max(...x.data);
    return { x, largest, raised: Array.from(x.data, (each) => exp(f(each - largest))) };
  }

  it("sigmoid is within its bound, and not with 1e-5 too much", () => {
    for (const seed of seeds) {
      const { x } = row(seed);
      const found = x.data.map((each) => 1 / f(1 + exp(-each)));
      const more = found.map((each) => each + 1e-5);
      expect(shareOf(trialOf("sigmoid", { x }), found), seed).toBeLessThanOrEqual(1);
      expect(shareOf(trialOf("sigmoid", { x }), more), seed).toBeGreaterThan(1);
    }
  });

  it.each(Object.entries(orders))("softmax is within its bound with a %s sum", (_, add) => {
    for (const seed of seeds) {
      const { x, raised } = row(seed);
      const sum = add(raised);
      for (const found of [raised.map((each) => f(each / sum)), raised.map((each) => f(each * f(1 / sum)))]) {
        expect(shareOf(trialOf("softmax", { x }), found), seed).toBeLessThanOrEqual(1);
      }
    }
  });

  it("softmax is not where a class is missing from the sum", () => {
    for (const seed of seeds) {
      const { x, raised } = row(seed);
      const sum = orders.forward!(raised.toSorted((a, b) => a - b).slice(0, -1));
      const found = raised.map((each) => each / sum);
      expect(shareOf(trialOf("softmax", { x }), found), seed).toBeGreaterThan(1);
    }
  });

  it.each(Object.entries(orders))("logSoftmax is within its bound with a %s sum, in either form", (_, add) => {
    for (const seed of seeds) {
      const { x, largest, raised } = row(seed);
      const log = f(Math.log(add(raised)));
      const forms = [x.data.map((each) => f(each - largest) - log), x.data.map((each) => each - f(largest + log))];
      for (const found of forms) expect(shareOf(trialOf("logSoftmax", { x }), found), seed).toBeLessThanOrEqual(1);
    }
  });

  it("logSoftmax is not without the sum's logarithm", () => {
    for (const seed of seeds) {
      const { x, largest } = row(seed);
      const found = x.data.map((each) => each - largest);
      expect(shareOf(trialOf("logSoftmax", { x }), found), seed).toBeGreaterThan(1);
    }
  });
});

it.each([
  ["softmax", [0, 1]],
  ["logSoftmax", [-Infinity, 0]],
] as const)("%s keeps a bound in a row with −∞", (op, expected) => {
  const trial = trialOf(op, { x: tensor([1, 2], [-Infinity, 3]) });
  expect(shareOf(trial, expected)).toBe(0);
  expect(shareOf(trial, [expected[0], 0.5])).toBeGreaterThan(1);
});

describe("one rounding, or none", () => {
  const [a, b] = [signed("one", "a", [2, 3, 4, 5]), signed("one", "b", [2, 3, 4, 5])];
  const gate = fill("one", "gate", [2, 3, 1, 1], 0, 1);
  const sum = a.data.map((each, i) => each + b.data[i]!);
  const product = a.data.map((each, i) => each * gate.data[Math.floor(i / 20)]!);
  const ulp = (found: Float32Array) => found.map((each) => each * (1 + 2 ** -22));

  it.each([
    [trialOf("add", { a, b }), sum],
    [trialOf("multiply", { x: a, gate }), product],
  ])("$op: the rounded answer is within the bound, 4 ulp beside it is not", (trial, found) => {
    expect(shareOf(trial, found)).toBeLessThanOrEqual(1);
    expect(shareOf(trial, ulp(found))).toBeGreaterThan(1);
  });

  it("maxPool2d: padding with 0 in place of −∞ is found where all is negative", () => {
    const trial = trialOf(
      "maxPool2d",
      { x: tensor([1, 1, 2, 2], [-1, -2, -3, -4]) },
      { window: 3, stride: 2, padding: 1 },
    );
    expect([shareOf(trial, [-1]), shareOf(trial, [0])]).toEqual([0, Infinity]);
  });

  it.each([
    ["maxPool2d", { window: 1 }],
    ["relu", {}],
    ["flatten", {}],
    ["subsample", { stride: 1 }],
    ["padChannels", {}],
  ] as const)("%s is to be exact", (op, attributes) => {
    const trial = trialOf(op, { x: tensor([1, 1, 1, 4], [1, 2, NaN, Infinity]) }, attributes);
    expect(shareOf(trial, [1, 2, NaN, Infinity])).toBe(0);
    expect(shareOf(trial, [1, 2 + 2 ** -22, NaN, Infinity])).toBe(Infinity);
    expect(shareOf(trial, [1, 2, 0, Infinity])).toBe(Infinity);
    expect(shareOf(trial, [1, 2, NaN, 3.4028234663852886e38])).toBe(Infinity);
  });

  it("what is subnormal may be 0", () => {
    const trial = trialOf("relu", { x: tensor([1, 2], [1e-40, 2 ** -126]) });
    expect(shareOf(trial, [0, 2 ** -126])).toBeLessThan(1);
    expect(shareOf(trial, [1e-40, 0])).toBe(Infinity);
  });
});

describe("the bound of a composite op, derived from its parts", () => {
  /** fusedConv2d as conv2d, add and relu, each rounded to float32. */
  function partByPart(trial: Trial, residuals = 1): { y: Float32Array; bound: Float64Array } {
    const { inputs, attributes } = trial;
    const { relu: isRectified, ...rest } = ops.fusedConv2d.attributes(attributes);
    const { residual, ...others } = mapValues(inputs, toFloat64);
    const { shape } = expectationOf(trial);
    const convolved = evaluateOp({ op: "conv2d", attributes: rest }, others, shape);
    const y = Float32Array.from(convolved, (each, i) => {
      const sum = residual ? f(f(each) + residuals * residual.data[i]!) : f(each);
      return isRectified ? Math.max(sum, 0) : sum;
    });
    const whole = { op: "fusedConv2d", attributes: { ...rest, relu: isRectified } };
    return { y, bound: derivedBound(whole, mapValues(inputs, toFloat64), float32) };
  }

  it("covers the answer of the parts, within the bound for every order of summation", () => {
    fc.assert(
      fc.property(arbitraryTrial("fusedConv2d"), (trial) => {
        const { value, bound: own } = expectationOf(trial);
        const { y, bound } = partByPart(trial);
        expect(compare(y, value, bound).share).toBeLessThanOrEqual(1);
        expect(bound.every((each, i) => each <= own[i]! * (1 + 1e-9))).toBe(true);
      }),
      { numRuns: 60 },
    );
  });

  it("does not hold a residual that is added twice", () => {
    const [x, weight, residual] = [[1, 2, 3, 4], [1], [5, 6, 7, 8]] as const;
    const image = (data: readonly number[]) => tensorOf("float32", [1, 1, 2, data.length / 2], Float32Array.from(data));
    const inputs = { x: image(x), weight: tensor([1, 1, 1, 1], weight), residual: image(residual) };
    const trial = trialOf("fusedConv2d", inputs);
    const { y, bound } = partByPart(trial, 2);
    expect(compare(y, expectationOf(trial).value, bound).share).toBeGreaterThan(1);
  });
});
