import {
  constant,
  evaluateOp,
  fill,
  graph,
  input,
  ops,
  type Pads,
  tensorOf,
  type WinogradPoints,
  winogradF2,
  winogradF4,
} from "@residual/core";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Instructions } from "../encode/function.ts";
import { lowerToPlan } from "../lower.ts";
import { printPlan } from "../plan.ts";
import { hasRelaxedSimd } from "../platform.ts";
import { LayerRun } from "../testing/layer-run.ts";
import type { ConvolutionLayer } from "./layer.ts";
import { choose, type StrategyOptions, strategiesFor } from "./strategies.ts";
import type { Matrix } from "./winograd/transform.ts";
import { winograd } from "./winograd.ts";

const forms: readonly Instructions[] = hasRelaxedSimd() ? ["relaxed madd", "mul and add"] : ["mul and add"];
const targetOf = (instructions: Instructions) => ({ instructions, isShared: false });

interface Case {
  readonly images: number;
  readonly isOpen: boolean;
  readonly channels: number;
  readonly outputs: number;
  readonly height: number;
  readonly width: number;
  readonly padding: Pads;
  /** Of x beyond what is wanted, of y and of the residual. */
  readonly borders: readonly [Pads, Pads, Pads];
  readonly hasBias: boolean;
  readonly hasResidual: boolean;
  readonly relu: boolean;
  readonly mostRows: number | undefined;
}

const upTo = (most: number, least = 0) => fc.integer({ min: least, max: most });
const pads = (most: number): fc.Arbitrary<Pads> => fc.tuple(upTo(most), upTo(most), upTo(most), upTo(most));

const cases: fc.Arbitrary<Case> = fc
  .record({
    images: upTo(3, 1),
    isOpen: fc.boolean(),
    channels: upTo(11, 1),
    outputs: upTo(19, 1),
    height: upTo(20, 1),
    width: upTo(20, 1),
    padding: pads(3),
    borders: fc.tuple(pads(2), pads(2), pads(2)),
    hasBias: fc.boolean(),
    hasResidual: fc.boolean(),
    relu: fc.boolean(),
    mostRows: fc.constantFrom(undefined, 1, 2, 3),
  })
  .filter(({ height, width, padding: [top, left, bottom, right] }) =>
    [height + top + bottom, width + left + right].every((size) => size >= 3),
  );

function layerOf({
  images,
  isOpen,
  channels,
  outputs,
  height,
  width,
  padding,
  borders,
  ...rest
}: Case): ConvolutionLayer {
  const [top, left, bottom, right] = padding;
  const size = { height: height + top + bottom - 2, width: width + left + right - 2 };
  const y = { order: "quads", channels: outputs, ...size, border: borders[1] } as const;
  return {
    x: { order: "quads", channels, height, width, border: borders[0] },
    y,
    ...(rest.hasResidual && { residual: { ...y, border: borders[2] } }),
    ...(!isOpen && { images }),
    hasBias: rest.hasBias,
    kernel: [3, 3],
    attributes: { stride: [1, 1], padding, dilation: [1, 1], groups: 1, relu: rest.relu },
  };
}

function numbersFor({ x, y, residual, hasBias }: ConvolutionLayer, images: number) {
  const numbers = (name: string, ...shape: number[]) => fill("winograd", name, shape, -1, 1).data;
  return {
    x: numbers("x", images, x.channels, x.height, x.width),
    weight: numbers("weight", y.channels, x.channels, 3, 3),
    ...(hasBias && { bias: numbers("bias", y.channels) }),
    ...(residual && { residual: numbers("residual", images, y.channels, y.height, y.width) }),
  };
}

type LayerNumbers = ReturnType<typeof numbersFor>;

/** By the reference, in float64. */
function expectedOf({ x, y, attributes }: ConvolutionLayer, images: number, given: LayerNumbers): Float64Array {
  const wide = (shape: number[], data: ArrayLike<number>) => tensorOf("float64", shape, Float64Array.from(data));
  const shape = [images, y.channels, y.height, y.width];
  const inputs = {
    x: wide([images, x.channels, x.height, x.width], given.x),
    weight: wide([y.channels, x.channels, 3, 3], given.weight),
    ...(given.bias && { bias: wide([y.channels], given.bias) }),
    ...(given.residual && { residual: wide(shape, given.residual) }),
  };
  return evaluateOp({ op: "fusedConv2d", attributes }, inputs, shape);
}

/** |matrix|·d·|matrix|ᵀ of absolute numbers, `size` × `size`. */
function magnitudes(matrix: Matrix, size: number, at: (row: number, column: number) => number): number[][] {
  const rows = matrix.map((row) => row.map(Math.abs));
  const sum = (count: number, term: (k: number) => number) =>
    Array.from({ length: count }, (_, k) => term(k)).reduce((total, each) => total + each, 0);
  const half = rows.map((row) =>
    Array.from({ length: size }, (_, j) => sum(size, (k) => row[k]! * Math.abs(at(k, j)))),
  );
  return half.map((row) => rows.map((other) => sum(size, (k) => row[k]! * other[k]!)));
}

/** Of the longest path: those of the three transforms (docs/tolerances.md). */
const roundings = { "winograd-f2": 10, "winograd-f4": 22 } as const;

/** γₖ·(|Aᵀ|·[Σ (|G|·|g|·|Gᵀ|) ⊙ (|Bᵀ|·|d|·|B|)]·|A| + |bias| + |residual|) for each output: docs/tolerances.md. */
function boundsOf(
  { name, input, kernel, output }: WinogradPoints,
  { x, y, attributes }: ConvolutionLayer,
  images: number,
  given: LayerNumbers,
): Float64Array {
  const [m, side] = [output.length, input.length];
  const [top, left] = attributes.padding;
  const k = (x.channels + roundings[name] + (given.bias ? 1 : 0) + (given.residual ? 1 : 0)) * 2 ** -24;
  const u = Array.from({ length: y.channels * x.channels }, (_, pair) =>
    magnitudes(kernel, 3, (row, column) => given.weight[9 * pair + 3 * row + column]!),
  );
  const bounds = new Float64Array(images * y.channels * y.height * y.width);
  const pixel = (image: number, c: number, row: number, column: number) => {
    if (row < 0 || column < 0 || row >= x.height || column >= x.width) return 0;
    return given.x[((image * x.channels + c) * x.height + row) * x.width + column]!;
  };
  for (let image = 0; image < images; image++)
    for (let i = 0; i < y.height; i += m)
      for (let j = 0; j < y.width; j += m) {
        const v = Array.from({ length: x.channels }, (_, c) =>
          magnitudes(input, side, (row, column) => pixel(image, c, i - top + row, j - left + column)),
        );
        for (let o = 0; o < y.channels; o++) {
          const sums = magnitudes(output, side, (row, column) =>
            v.reduce((sum, each, c) => sum + each[row]![column]! * u[o * x.channels + c]![row]![column]!, 0),
          );
          for (let p = 0; p < Math.min(m, y.height - i); p++)
            for (let q = 0; q < Math.min(m, y.width - j); q++) {
              const at = ((image * y.channels + o) * y.height + i + p) * y.width + j + q;
              const others = Math.abs(given.bias?.[o] ?? 0) + Math.abs(given.residual?.[at] ?? 0);
              bounds[at] = (k / (1 - k)) * (sums[p]![q]! + others);
            }
        }
      }
  return bounds;
}

/** The numbers that are wrong, in words. */
function wrongOf(found: Float32Array, expected: Float64Array, bounds: Float64Array): string[] {
  return [...expected].flatMap((value, at) => {
    const error = Math.abs(found[at]! - value);
    return error <= bounds[at]! ? [] : [`element ${at}: expected ${value} ± ${bounds[at]}, found ${found[at]}`];
  });
}

describe.each([winogradF2, winogradF4])("$name", (points) => {
  it.each(forms)("comes as near as its bound, at any size, padding, border and batch: %s", async (instructions) => {
    await fc.assert(
      fc.asyncProperty(cases, async (each) => {
        const { images } = each;
        const layer = layerOf(each);
        const given = numbersFor(layer, images);
        const strategy = winograd(points, layer, instructions, each.mostRows);
        const run = await LayerRun.load(strategy, layer, targetOf(instructions), given, images);
        run.run();
        const expected = expectedOf(layer, images, given);
        expect(wrongOf(run.read(), expected, boundsOf(points, layer, images, given)).slice(0, 3)).toEqual([]);
        expect(run.hasCleanBorder()).toBe(true);
      }),
      { numRuns: 60 },
    );
  });

  it.each([1, 3, 7])("answers the same bits in ranges of %d tasks, the last first", async (count) => {
    const layer = layerOf({ ...usual, height: 19, width: 21, mostRows: 2 });
    const given = numbersFor(layer, usual.images);
    const answers = [undefined, count].map(async (range) => {
      const strategy = winograd(points, layer, "mul and add", 2);
      const run = await LayerRun.load(strategy, layer, targetOf("mul and add"), given, usual.images);
      if (range === undefined) run.run();
      else run.runInRanges(range);
      return run.read();
    });
    const [whole, parts] = await Promise.all(answers);
    expect(parts).toEqual(whole);
  });

  it("keeps NaN and infinities to the tiles that see them, and lets those of the residual through", async () => {
    const layer = layerOf({ ...usual, relu: true });
    const { x, y } = layer;
    const given = numbersFor(layer, usual.images);
    const odd = [0, x.width - 1, x.width * x.height - 1, 5 * x.width + 6]; // corners, and within; of the first channel
    for (const [at, pixel] of odd.entries()) given.x[pixel] = [Number.NaN, Infinity, -Infinity, Number.NaN][at]!;
    for (const [at, value] of [Number.NaN, Infinity, -Infinity].entries()) given.residual![at * 31 + 3] = value;
    const run = await LayerRun.load(winograd(points, layer, "mul and add"), layer, targetOf("mul and add"), given, 2);
    run.run();
    const found = run.read();
    const m = points.output.length;
    const sees = (i: number, j: number) =>
      odd.some((pixel) => {
        const [row, column] = [Math.floor(pixel / x.width) + 1, (pixel % x.width) + 1];
        const [top, left] = [i - (i % m), j - (j % m)];
        return row >= top && row < top + m + 2 && column >= left && column < left + m + 2;
      });
    const expected = expectedOf(layer, 2, given);
    const wrong = [...expected].flatMap((value, at) => {
      const isFirst = at < y.channels * y.height * y.width;
      const isSpread = isFirst && sees(Math.floor(at / y.width) % y.height, at % y.width) && Number.isNaN(found[at]!);
      const fits = Number.isFinite(value) ? Math.abs(found[at]! - value) < 1e-3 : Object.is(found[at], value);
      return isSpread || fits ? [] : [`element ${at}: expected ${value}, found ${found[at]}`];
    });
    expect(wrong.slice(0, 3)).toEqual([]);
    expect([...expected].filter((value) => !Number.isFinite(value)).length).toBeGreaterThan(10);
  });
});

const usual: Case = {
  images: 2,
  isOpen: false,
  channels: 6,
  outputs: 13,
  height: 14,
  width: 14,
  padding: [1, 1, 1, 1],
  borders: [
    [0, 0, 0, 0],
    [1, 1, 1, 1],
    [0, 0, 0, 0],
  ],
  hasBias: true,
  hasResidual: true,
  relu: false,
  mostRows: undefined,
};

describe("the choice", () => {
  const choice: StrategyOptions = { ...targetOf("relaxed madd"), winograd: true };
  const layer = (channels: number, side: number, images = 1) =>
    layerOf({ ...usual, channels, outputs: channels, height: side, width: side, images });

  it.each([
    [64, 56, 1, "winograd-f4"],
    [128, 28, 1, "winograd-f4"],
    [256, 14, 1, "winograd-f2"], // F(4, 3) is quicker by too little for 5 MB more
    [256, 14, 8, "winograd-f4"],
    [512, 7, 1, "winograd-f2"], // 38 MB of weights for F(4, 3)
    [512, 7, 8, "winograd-f4"], // which are read once for all images
  ])("of %d channels at %d pixels, batch %d, is %s", (channels, side, images, name) => {
    expect(choose(layer(channels, side, images), choice).name).toBe(name);
  });

  it.each([winogradF2, winogradF4])("counts an open batch as one image: $name", (points) => {
    const costs = [true, false].map(
      (isOpen) =>
        winograd(points, layerOf({ ...usual, channels: 64, outputs: 64, images: 1, isOpen }), "relaxed madd").cost,
    );
    expect(costs[0]).toBe(costs[1]);
  });

  it("is without it where that is asked for, and for layers of another kind", () => {
    const algorithms = (of: ConvolutionLayer, which = choice) =>
      strategiesFor(of, which).flatMap(({ algorithm }) => algorithm ?? []);
    const plain = layer(64, 14);
    const changed = (change: Partial<ConvolutionLayer["attributes"]>) =>
      algorithms({ ...plain, attributes: { ...plain.attributes, ...change } });
    expect(algorithms(plain)).toEqual(["winograd-f2", "winograd-f4"]);
    expect(algorithms(plain, { ...choice, winograd: false })).toEqual([]);
    expect(changed({ stride: [2, 1] })).toEqual([]);
    expect(changed({ dilation: [1, 2] })).toEqual([]);
    expect(changed({ groups: 2 })).toEqual([]);
    expect(algorithms({ ...plain, kernel: [3, 1] })).toEqual([]);
  });
});

describe("the plan", () => {
  it("gives x the border that tiles reach into, and says which algorithm", () => {
    const x = input("x", ["N", 64, 14, 14]);
    const first = ops.relu({ x });
    const weight = constant("weight", fill("plan", "weight", [64, 64, 3, 3], -1, 1));
    const y = ops.fusedConv2d({ x: first, weight }, { padding: 1, relu: true });
    const of = graph({ name: "one layer", inputs: { x }, outputs: { y } });
    const text = printPlan(lowerToPlan(of, { ...targetOf("relaxed madd"), winograd: true }));
    expect(text.split("\n").filter((line) => line.includes("winograd"))).toMatchInlineSnapshot(`
      [
        "fusedConv2d: winograd-f4 by 14 rows of N images 3×3 /1×1 +1+1+1+1 quads 64×14×14 +1+1+3+3 -> quads 64×14×14 relu(@1629952, weight) -> @1712896",
      ]
    `);
  });
});
