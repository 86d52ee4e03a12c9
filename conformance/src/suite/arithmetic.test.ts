import { evaluateOp, opOf, ops, type Tensor, tensor, tensorOf, toFloat64, UnsupportedError } from "@residual/core";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Arithmetic, arithmeticOf, float32, gamma } from "./arithmetic.ts";
import { arbitraryTrial } from "./cases/random.ts";
import { opNames } from "./ops/suites.ts";
import { samplesOf } from "./sample.ts";
import { compare, expectationOf, type Trial } from "./trial.ts";
import type { WinogradName } from "./winograd.ts";

const f = Math.fround;
const arithmetic = (...algorithms: Parameters<typeof arithmeticOf>[0]["algorithms"] & {}) =>
  arithmeticOf({ algorithms });

function shareOf(trial: Trial, found: ArrayLike<number>, of: Arithmetic): number {
  const { value, bound } = expectationOf(trial, of);
  return compare(found, value, bound, of).share;
}

const values = (shape: readonly number[], at: (i: number) => number): Tensor<"float32"> =>
  tensor(
    shape,
    Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => at(i)),
  );

/** Pseudo-random numbers of either sign. */
const noise = (seed: number) => (i: number) => Math.sin(i * 12.9898 + seed * 78.233) * 1.7;

function convolution(x: Tensor<"float32">, weight: Tensor<"float32">, attributes: object = { padding: 1 }): Trial {
  const whole = ops.conv2d.attributes(attributes);
  return { name: "conv2d", op: "conv2d", attributes: whole, inputs: { x, weight }, constants: new Set(["weight"]) };
}

type Matrix = readonly (readonly number[])[];

/** Lavin and Gray 2015, section 4: the matrices with their signs. */
const signed: {
  readonly [Name in WinogradName]: {
    readonly tile: number;
    readonly B: Matrix;
    readonly G: Matrix;
    readonly A: Matrix;
  };
} = {
  "winograd-f2": {
    tile: 2,
    B: [
      [1, 0, -1, 0],
      [0, 1, 1, 0],
      [0, -1, 1, 0],
      [0, 1, 0, -1],
    ],
    G: [
      [1, 0, 0],
      [1 / 2, 1 / 2, 1 / 2],
      [1 / 2, -1 / 2, 1 / 2],
      [0, 0, 1],
    ],
    A: [
      [1, 1, 1, 0],
      [0, 1, -1, -1],
    ],
  },
  "winograd-f4": {
    tile: 4,
    B: [
      [4, 0, -5, 0, 1, 0],
      [0, -4, -4, 1, 1, 0],
      [0, 4, -4, -1, 1, 0],
      [0, -2, -1, 2, 1, 0],
      [0, 2, -1, -2, 1, 0],
      [0, 4, 0, -5, 0, 1],
    ],
    G: [
      [1 / 4, 0, 0],
      [-1 / 6, -1 / 6, -1 / 6],
      [-1 / 6, 1 / 6, -1 / 6],
      [1 / 24, 1 / 12, 1 / 6],
      [1 / 24, -1 / 12, 1 / 6],
      [0, 0, 1],
    ],
    A: [
      [1, 1, 1, 1, 1, 0],
      [0, 1, -1, 2, -2, 0],
      [0, 1, 1, 4, 4, 0],
      [0, 1, -1, 8, -8, 1],
    ],
  },
};

/** M·d·Mᵀ. Each product, each sum and the matrix's own numbers are rounded to float32. */
function sandwich(matrix: Matrix, d: Matrix): number[][] {
  const times = (rows: Matrix, columns: Matrix) =>
    rows.map((row) => columns.map((column) => row.reduce((sum, m, k) => f(sum + f(f(m) * column[k]!)), 0)));
  const transpose = (m: Matrix) => m[0]!.map((_, c) => m.map((row) => row[c]!));
  return times(times(matrix, transpose(d)), matrix);
}

/** A 3 × 3 convolution with padding 1 by Winograd's algorithm, in float32 throughout. */
function winograd({ tile, B, G, A }: (typeof signed)[WinogradName], { x, weight }: Trial["inputs"]): Float32Array {
  const [, c, h, w] = x!.shape as [number, number, number, number];
  const outputs = weight!.shape[0]!;
  const y = new Float32Array(outputs * h * w);
  const block = (side: number, at: (r: number, s: number) => number) =>
    Array.from({ length: side }, (_, r) => Array.from({ length: side }, (__, s) => at(r, s)));
  for (let o = 0; o < outputs; o++) {
    for (let i = 0; i < h; i += tile) {
      for (let j = 0; j < w; j += tile) {
        let sum = block(tile + 2, () => 0);
        for (let k = 0; k < c; k++) {
          const inside = (p: number, q: number) =>
            p < 0 || q < 0 || p >= h || q >= w ? 0 : x!.data[(k * h + p) * w + q]!;
          const u = sandwich(
            G,
            block(3, (r, s) => weight!.data[((o * c + k) * 3 + r) * 3 + s]!),
          );
          const v = sandwich(
            B,
            block(tile + 2, (r, s) => inside(i - 1 + r, j - 1 + s)),
          );
          sum = sum.map((row, r) => row.map((each, s) => f(each + f(u[r]![s]! * v[r]![s]!))));
        }
        sandwich(A, sum).forEach((row, r) => {
          row.forEach((each, s) => {
            if (i + r < h && j + s < w) y[(o * h + i + r) * w + j + s] = each;
          });
        });
      }
    }
  }
  return y;
}

describe.each(["winograd-f2", "winograd-f4"] as const)("%s", (name) => {
  const trial = (seed: number, channels = 5) =>
    convolution(values([1, channels, 9, 7], noise(seed)), values([3, channels, 3, 3], noise(seed + 50)));

  it("its own errors are within its bound, and not far below", () => {
    const shares = Array.from({ length: 20 }, (_, seed) =>
      shareOf(trial(seed), winograd(signed[name], trial(seed).inputs), arithmetic(name)),
    );
    expect(Math.max(...shares)).toBeLessThan(1);
    expect(Math.max(...shares)).toBeGreaterThan(0.003);
  });

  it("where a pixel beside the window is large, its errors are beyond plain float32's", () => {
    const x = values([1, 1, 4, 4], (i) => (i === 15 ? 1e6 : 0.001));
    const beside = convolution(x, values([1, 1, 3, 3], noise(1)));
    const found = winograd(signed[name], beside.inputs);
    expect(shareOf(beside, found, float32)).toBeGreaterThan(1);
    expect(shareOf(beside, found, arithmetic(name))).toBeLessThan(1);
  });

  it("one wrong coefficient is beyond it", () => {
    const { A, ...rest } = signed[name];
    const wrong = A.map((row, r) => row.map((each, c) => (r === 1 && c === 2 ? -each : each)));
    expect(shareOf(trial(1), winograd({ ...rest, A: wrong }, trial(1).inputs), arithmetic(name))).toBeGreaterThan(1);
  });

  it("a dropped channel is beyond it, and so is what another algorithm is held to", () => {
    const { x, weight } = trial(2).inputs;
    const without = {
      x: x!,
      weight: tensorOf(
        "float32",
        weight!.shape,
        weight!.data.map((w, i) => (Math.floor(i / 9) % 5 === 4 ? 0 : w)),
      ),
    };
    expect(shareOf(trial(2), winograd(signed[name], without), arithmetic(name))).toBeGreaterThan(1);
  });

  it("the bound of an element that is cut out is the whole's", () => {
    const { shape, bound } = expectationOf(trial(3), arithmetic(name));
    const samples = samplesOf(shape, 1);
    const part = expectationOf({ ...trial(3), samples }, arithmetic(name));
    for (const [i, at] of samples.entries()) expect(part.bound[i]! / bound[at]!).toBeCloseTo(1, 9);
  });
});

/** The nearest float16, ties to even, subnormal numbers included. */
function half(x: number): number {
  if (x === 0 || !Number.isFinite(x)) return x;
  const unit = 2 ** Math.max(Math.floor(Math.log2(Math.abs(x))) - 10, -24);
  const steps = x / unit;
  const [below, fraction] = [Math.floor(steps), steps - Math.floor(steps)];
  const rounded = (fraction > 0.5 || (fraction === 0.5 && below % 2 !== 0) ? below + 1 : below) * unit;
  return Math.abs(rounded) > 65504 ? Math.sign(x) * Infinity : rounded;
}

const halved = (tensors: Trial["inputs"]): Trial["inputs"] =>
  Object.fromEntries(
    Object.entries(tensors).map(([name, { shape, data }]) => [name, tensorOf("float32", shape, data.map(half))]),
  );

const evaluated = ({ op, attributes, inputs }: Trial, shape: readonly number[]): Float64Array => {
  const wide = Object.fromEntries(Object.entries(inputs).map(([name, each]) => [name, toFloat64(each)]));
  return evaluateOp({ op, attributes: opOf(op).attributes(attributes) }, wide, shape);
};

describe("float16", () => {
  it("rounds as IEEE 754 has it", () => {
    expect([1 + 2 ** -11, 1 + 3 * 2 ** -11, 65519, 65520, 2 ** -25, 3 * 2 ** -26].map(half)).toEqual([
      1,
      1 + 2 ** -9,
      65504,
      Infinity,
      0,
      2 ** -24,
    ]);
  });

  it.each(opNames)("%s: what is kept in float16 and computed wider is within its bound", (op) => {
    const of = arithmetic("float16-storage");
    const property = fc.property(arbitraryTrial(op), (trial) => {
      const { shape } = expectationOf(trial, of);
      const canonical = { ...trial, attributes: ops[op].attributes(trial.attributes as never) };
      const found = evaluated({ ...canonical, inputs: halved(trial.inputs) }, shape).map(half);
      expect(shareOf(trial, found, of)).toBeLessThanOrEqual(1);
    });
    fc.assert(property, { numRuns: 40, seed: 5 });
  });

  it("is beyond plain float32, and infinite beyond 65504", () => {
    const trial = convolution(values([1, 2, 5, 5], noise(1)), values([2, 2, 3, 3], noise(2)));
    const found = evaluated({ ...trial, inputs: halved(trial.inputs) }, [1, 2, 5, 5]).map(half);
    expect(shareOf(trial, found, float32)).toBeGreaterThan(100);
    expect(shareOf(trial, found, arithmetic("float16-storage"))).toBeGreaterThan(0.02);
    const large = convolution(
      values([1, 1, 1, 1], () => 300),
      values([1, 1, 1, 1], () => 300),
      {},
    );
    expect(shareOf(large, [Infinity], arithmetic("float16-storage"))).toBe(0);
    expect(shareOf(large, [Infinity], float32)).toBe(Infinity);
  });

  it("sums in float16 are within its bound, and beyond that of float16 storage", () => {
    const n = 1500; // from 1024 on, each 1.4 adds 1
    const trial = convolution(
      values([1, n, 1, 1], () => half(1.4)),
      values([1, n, 1, 1], () => 1),
      {},
    );
    const found = trial.inputs.x!.data.reduce((sum, x) => half(sum + x), 0);
    expect(shareOf(trial, [found], arithmetic("float16"))).toBeLessThan(1);
    expect(shareOf(trial, [found], arithmetic("float16-storage"))).toBeGreaterThan(1);
  });

  it("products in float16, four by four, are within their bound", () => {
    const n = 4096;
    const [w, v] = [half(1.001), half(1.4985)]; // their product is rounded by nearly half a step
    const trial = convolution(
      values([1, n, 1, 1], () => v),
      values([1, n, 1, 1], () => w),
      {},
    );
    const product = half(v * w);
    const four = half(half(half(product + product) + product) + product);
    const found = half((n / 4) * four);
    expect(shareOf(trial, [found], arithmetic("float16-products"))).toBeLessThan(1);
    expect(shareOf(trial, [found], arithmetic("float16-products"))).toBeGreaterThan(0.02);
  });

  it("sums of 2,048 and more in float16 have no bound", () => {
    expect(() => gamma(4608, arithmetic("float16"))).toThrow(UnsupportedError);
    expect(() => gamma(4608, arithmetic("float16"))).toThrow("sum in a wider format");
    expect(() => gamma(4608, arithmetic("float16-storage"))).not.toThrow();
  });
});

describe("int8", () => {
  const trial = convolution(
    values([1, 3, 5, 5], (i) => noise(3)(i) + 0.4),
    values([2, 3, 3, 3], noise(4)),
  );
  const { x, weight } = trial.inputs;

  /** x has one affine scale, and the weights have a scale for each output, as in onnxruntime and TFLite. */
  function quantized(skew = 1): Trial {
    const [low, high] = [Math.min(0, ...x!.data), Math.max(0, ...x!.data)];
    const step = (high - low) / 255;
    const zero = Math.round(-low / step);
    const eight = x!.data.map(
      (each) => (Math.min(255, Math.max(0, Math.round(each / step) + zero)) - zero) * step * skew,
    );
    const row = weight!.data.length / 2;
    const steps = [0, 1].map((o) => Math.max(...weight!.data.slice(o * row, (o + 1) * row).map(Math.abs)) / 127);
    const ws = weight!.data.map((w, i) => Math.round(w / steps[Math.floor(i / row)]!) * steps[Math.floor(i / row)]!);
    return {
      ...trial,
      inputs: { x: tensorOf("float32", x!.shape, eight), weight: tensorOf("float32", weight!.shape, ws) },
    };
  }

  it("is within its bound, beyond float32's, and a wrong scale beyond its own", () => {
    const found = evaluated(quantized(), [1, 2, 5, 5]);
    expect(shareOf(trial, found, arithmetic("int8"))).toBeLessThan(1);
    expect(shareOf(trial, found, arithmetic("int8"))).toBeGreaterThan(0.05);
    expect(shareOf(trial, found, float32)).toBeGreaterThan(1000);
    expect(shareOf(trial, evaluated(quantized(1.2), [1, 2, 5, 5]), arithmetic("int8"))).toBeGreaterThan(1);
  });

  it("of a linear layer too", () => {
    const inputs = { x: values([2, 9], noise(5)), weight: values([3, 9], noise(6)) };
    const linear: Trial = { name: "linear", op: "linear", attributes: {}, inputs, constants: new Set(["weight"]) };
    const { value } = expectationOf(linear);
    expect(
      shareOf(
        linear,
        value.map((y) => y + 0.01),
        arithmetic("int8"),
      ),
    ).toBeLessThan(1);
    expect(
      shareOf(
        linear,
        value.map((y) => y + 0.01),
        float32,
      ),
    ).toBeGreaterThan(1);
  });
});

it("an algorithm that there is no bound for is refused by name", () => {
  expect(() => arithmeticOf({ algorithms: ["fft" as never] })).toThrow(
    'no bound for the algorithm "fft"; it knows winograd-f2',
  );
  expect(arithmeticOf({})).toEqual(float32);
});
