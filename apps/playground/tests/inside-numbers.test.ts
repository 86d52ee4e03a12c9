import { elementBound } from "@residual/conformance";
import {
  type AnyNode,
  applyOp,
  concrete,
  evaluateOp,
  fill,
  type Graph,
  graph,
  input,
  isTensor,
  type ModelName,
  type ModelOpName,
  mapValues,
  nodesOf,
  opOf,
  ops,
  resnet,
  sizeOf,
  type Tensor,
  tensor,
  tensorOf,
  toFloat64,
  type Value,
  valuesOf,
  variants,
} from "@residual/core";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { cssColour, inkOn } from "../src/inside/colours.ts";
import type { Place } from "../src/inside/explanation.ts";
import { explain, inPlace, inputsAlone, numberAt, resultOf } from "../src/inside/products.ts";
import { receptiveField } from "../src/inside/receptive-field.ts";
import { readersOf, sectionsOf, stepsThrough } from "../src/inside/sections.ts";
import { peaksOf, spotsOf, statisticsOf, strongestFirst } from "../src/inside/statistics.ts";
import { byteWords, cellWords, countWords, numberWords, percentWords } from "../src/inside/words.ts";

const of = (name: ModelName): Graph => resnet(variants[name], { name });
const nodeIn = (whole: Graph, name: string): AnyNode =>
  nodesOf(whole).find((node) => node.name === (whole.aliases[name] ?? name))!;

describe("receptiveField", () => {
  // By hand: 7×7 of stride 2 and 3×3 of stride 2 see 7 + 2·2 = 11 pixels, 4 apart. Each further 3×3 adds twice the
  // distance of its inputs: resnet18 11 + 4·8 + (8 + 3·16) + (16 + 3·32) + (32 + 3·64) = 435, which Araujo, Norris and
  // Sim (Distill 2019) publish. resnet50 has one 3×3 a block, and in a stage's first block it has the stride.
  it.each<[ModelName, string, number]>([
    ["resnet18", "conv1", 7],
    ["resnet18", "stem", 11],
    ["resnet18", "layer1", 11 + 4 * 8],
    ["resnet18", "layer4", 435],
    ["resnet50", "layer4", 11 + 3 * 8 + (8 + 3 * 16) + (16 + 5 * 32) + (32 + 2 * 64)],
    ["cifar_resnet20", "layer1", 3 + 6 * 2],
  ])("%s's %s sees %i pixels", (model, layer, size) => {
    const whole = of(model);
    const { height, width } = receptiveField(whole, nodeIn(whole, layer), 1, 1);
    expect([height, width]).toEqual([size, size]);
  });

  it("is the whole picture behind a global pool, and behind a squeeze-excitation's gate", () => {
    const whole = of("cifar_resnet20");
    const { region, height } = receptiveField(whole, nodeIn(whole, "logits"), 0, 0);
    expect(region).toEqual({ rows: { first: 0, last: 31 }, columns: { first: 0, last: 31 } });
    expect(height).toBe(Infinity);
    const gated = of("seresnet50");
    expect(receptiveField(gated, nodeIn(gated, "layer1.0"), 0, 0).width).toBe(Infinity);
  });

  it("at a corner is cut to the picture", () => {
    const whole = of("resnet18");
    expect(receptiveField(whole, nodeIn(whole, "conv1"), 0, 111).region).toEqual({
      rows: { first: 0, last: 3 }, // −3 to 3
      columns: { first: 219, last: 223 }, // 219 to 225
    });
  });

  const layer = fc.oneof(
    fc.record({ kernel: fc.integer({ min: 1, max: 3 }), stride: fc.integer({ min: 1, max: 2 }), padding: fc.nat(1) }),
    fc.constant("pool" as const),
    fc.constant("shortcut" as const),
  );
  it("is where a pixel can change the number", () => {
    fc.assert(
      fc.property(fc.array(layer, { minLength: 1, maxLength: 4 }), fc.nat(), fc.nat(), (layers, r, c) => {
        const whole = chainOf(layers);
        const node = nodesOf(whole).at(-1)!;
        const [, , height, width] = concrete(node.shape, 1) as [number, number, number, number];
        const [row, column] = [r % height, c % width];
        const { rows, columns } = receptiveField(whole, node, row, column).region;
        const seen = pixelsBehind(whole, row, column);
        expect([rows.first, rows.last]).toEqual([Math.min(...seen.map(([i]) => i)), Math.max(...seen.map(([i]) => i))]);
        expect([columns.first, columns.last]).toEqual([
          Math.min(...seen.map(([, j]) => j)),
          Math.max(...seen.map(([, j]) => j)),
        ]);
      }),
      { numRuns: 60 },
    );
  });
});

const SIDE = [9, 8] as const;

/** Layers without negative weights: a brighter pixel makes every number that depends on it larger. */
function chainOf(
  layers: readonly (
    | "pool"
    | "shortcut"
    | { readonly kernel: number; readonly stride: number; readonly padding: number }
  )[],
): Graph {
  const image = input("image", [1, 1, ...SIDE]);
  let x: Value = image;
  for (const [at, layer] of layers.entries()) {
    const [, , height, width] = x.shape as readonly number[];
    if (Math.min(height!, width!) < 3) break;
    if (layer === "pool") x = ops.averagePool2d({ x }, { window: 2 });
    else if (layer === "shortcut") x = ops.add({ a: x, b: ones(x, `p${at}`, 3, { padding: 1 }) });
    else {
      const { kernel, stride, padding } = layer;
      x = ones(x, `p${at}`, Math.max(kernel, stride), { stride, padding: Math.min(padding, kernel - 1) });
    }
  }
  return graph({ name: "chain", inputs: { image }, outputs: { y: x } });
}

function ones(x: Value, name: string, kernel: number, options: object): AnyNode {
  const source = tensorOf("float32", [1, 1, kernel, kernel], new Float32Array(kernel * kernel).fill(1));
  return ops.conv2d({ x, weight: { kind: "constant", name, shape: source.shape, source } }, options);
}

/** The values of a graph in float64, each node by its op's own evaluation. */
function evaluated(whole: Graph, image: Tensor<"float64">): ReadonlyMap<Value, Tensor<"float64">> {
  const known = new Map<Value, Tensor<"float64">>();
  for (const value of valuesOf(whole)) {
    if (value.kind === "input") known.set(value, image);
    else if (value.kind === "constant" && isTensor(value.source)) known.set(value, toFloat64(value.source));
    else if (value.kind === "node") {
      const shape = concrete(value.shape, 1);
      const inputs = mapValues(value.inputs, (each) => known.get(each)!);
      known.set(value, tensorOf("float64", shape, evaluateOp(value, inputs, shape)));
    }
  }
  return known;
}

/** Pixels that reach a number of the last node, found by lighting one after another. */
function pixelsBehind(whole: Graph, row: number, column: number): readonly (readonly [number, number])[] {
  const [height, width] = SIDE;
  const last = nodesOf(whole).at(-1)!;
  return Array.from({ length: height * width }, (_, at) => at).flatMap((at) => {
    const data = new Float64Array(height * width);
    data[at] = 1;
    const { shape, data: found } = evaluated(whole, tensorOf("float64", [1, 1, height, width], data)).get(last)!;
    return found[row * shape[3]! + column]! > 0 ? [[Math.floor(at / width), at % width] as const] : [];
  });
}

describe("explain", () => {
  const small = fc.integer({ min: -9, max: 9 });
  const convolution = fc
    .record({
      groups: fc.integer({ min: 1, max: 2 }),
      perGroup: fc.integer({ min: 1, max: 3 }),
      outputs: fc.integer({ min: 1, max: 2 }),
      kernel: fc.tuple(fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: 3 })),
      stride: fc.integer({ min: 1, max: 2 }),
      dilation: fc.integer({ min: 1, max: 2 }),
      padding: fc.tuple(fc.nat(2), fc.nat(2), fc.nat(2), fc.nat(2)),
      hasBias: fc.boolean(),
    })
    .chain(({ groups, perGroup, outputs, kernel, stride, dilation, padding, hasBias }) => {
      const shapes = { x: [1, groups * perGroup, 6, 5], weight: [groups * outputs, perGroup, ...kernel] };
      const numbers = (shape: readonly number[]) =>
        fc.array(small, { minLength: sizeOf(shape), maxLength: sizeOf(shape) }).map((data) => tensor(shape, data));
      type Inputs = { readonly [input: string]: Tensor<"float32"> };
      const inputs = fc
        .record({ x: numbers(shapes.x), weight: numbers(shapes.weight), bias: numbers([groups * outputs]) })
        .map(({ bias, ...rest }): Inputs => (hasBias ? { ...rest, bias } : rest));
      return fc.record({
        inputs,
        attributes: fc.constant(ops.conv2d.attributes({ groups, stride, dilation, padding })),
        limit: fc.nat(4),
      });
    });

  it("a convolution's products sum to its number, exactly, at each place", () => {
    fc.assert(
      fc.property(convolution, ({ inputs, attributes, limit }) => {
        const { shape, value } = answerOf("conv2d", inputs, attributes);
        for (const place of placesOf(shape)) {
          const found = explain({ op: "conv2d", attributes }, inputs, place, limit);
          if (found.kind !== "sum") throw new Error(found.kind);
          const shown = found.terms.reduce((sum, term) => sum + productsSum(term), 0);
          expect(shown + found.rest.sum + (found.bias ?? 0)).toBe(numberAt(value, place));
          expect(resultOf(found, 0)).toBe(numberAt(value, place));
          expect(found.terms).toHaveLength(Math.min(limit, found.sums.length));
          expect(found.sums.map(Math.abs)).toEqual(found.sums.map(Math.abs).toSorted((a, b) => b - a));
        }
      }),
    );
  });

  const random = (name: string, shape: readonly number[], from = -1) => fill("inside", name, shape, from, 1);
  const map = random("x", [1, 4, 5, 6]);
  const row = random("row", [1, 6]);
  const channelwise = (name: string, from?: number) => random(name, [4], from);
  const weight = random("weight", [4, 2, 3, 3]);
  type Case = readonly [inputs: { readonly [input: string]: Tensor<"float32"> }, options: object];
  const cases: { readonly [Name in ModelOpName]: Case } = {
    add: [{ a: map, b: random("b", [1, 4, 5, 6]) }, {}],
    averagePool2d: [{ x: map }, { window: [2, 3], stride: 2, ceil: true }],
    batchNorm: [
      {
        x: map,
        scale: channelwise("scale"),
        shift: channelwise("shift"),
        mean: channelwise("mean"),
        variance: channelwise("variance", 0.5),
      },
      {},
    ],
    conv2d: [
      { x: map, weight },
      { groups: 2, padding: 1, stride: [2, 1] },
    ],
    flatten: [{ x: map }, {}],
    fusedConv2d: [
      { x: map, weight, bias: channelwise("bias"), residual: random("residual", [1, 4, 5, 6]) },
      { groups: 2, padding: 1, relu: true },
    ],
    globalAveragePool: [{ x: map }, {}],
    linear: [{ x: row, weight: random("rows", [3, 6]), bias: random("bias", [3]) }, {}],
    logSoftmax: [{ x: row }, {}],
    maxPool2d: [{ x: map }, { window: 3, stride: 2, padding: 1 }],
    multiply: [{ x: map, gate: random("gate", [1, 4, 1, 1]) }, {}],
    padChannels: [{ x: map }, { before: 1, after: 2 }],
    relu: [{ x: map }, {}],
    sigmoid: [{ x: map }, {}],
    softmax: [{ x: row }, {}],
    subsample: [{ x: map }, { stride: [2, 3] }],
    zeroPad2d: [{ x: map }, { padding: [1, 0, 2, 1] }],
  };

  it.each(Object.entries(cases))("%s comes to the op's own answer, at each place", (op, [inputs, options]) => {
    const attributes = opOf(op).attributes(options);
    const { shape, value } = answerOf(op, inputs, attributes);
    for (const place of placesOf(shape)) {
      const found = explain({ op, attributes }, inputs, place, 2);
      const copied = found.kind === "copy" && found.from ? numberAt(inputs.x!, found.from) : Number.NaN;
      expect(resultOf(found, copied)).toBeCloseTo(numberAt(value, place), 13);
    }
  });

  it.each([...inPlace])("%s has the same bound for one number alone as for all", (op) => {
    const [inputs, options] = cases[op as ModelOpName];
    const attributes = opOf(op).attributes(options);
    for (const [at, place] of placesOf(answerOf(op, inputs, attributes).shape).entries())
      if (at % 7 === 0)
        expect(elementBound({ op, attributes }, inputsAlone(inputs, place), 0)).toEqual(
          elementBound({ op, attributes }, inputs, at),
        );
  });

  it("a product with a gate for each element", () => {
    const gate = random("gate", [1, 4, 5, 6]);
    const { value } = answerOf("multiply", { x: map, gate }, {});
    const place = { channel: 2, row: 1, column: 3 };
    expect(resultOf(explain({ op: "multiply", attributes: {} }, { x: map, gate }, place, 1), 0)).toBe(
      numberAt(value, place),
    );
  });
});

function productsSum({
  patch,
  kernel,
}: {
  readonly patch: readonly (number | null)[];
  readonly kernel: readonly number[];
}) {
  return patch.reduce<number>((sum, each, i) => sum + (each ?? 0) * kernel[i]!, 0);
}

/** An op's own evaluation, in float64. */
function answerOf(
  op: string,
  inputs: { readonly [input: string]: Tensor<"float32"> },
  attributes: AnyNode["attributes"],
) {
  const leaves = mapValues(inputs, ({ shape }, name) => input(name, shape));
  const { shape: open } = applyOp(op, leaves, attributes);
  const shape = concrete(open, 1);
  const data = evaluateOp({ op, attributes }, mapValues(inputs, toFloat64), shape);
  return { shape, value: tensorOf("float64", shape, data) };
}

function placesOf([, channels = 1, height = 1, width = 1]: readonly number[]): readonly Place[] {
  return Array.from({ length: channels * height * width }, (_, at) => ({
    channel: Math.floor(at / (height * width)),
    row: Math.floor(at / width) % height,
    column: at % width,
  }));
}

describe("sections", () => {
  it.each<ModelName>(["cifar_resnet20", "resnet50", "cifar_preact164", "keras_tutorial_resnet"])(
    "of %s hold each layer once, with all that the layer reads",
    (model) => {
      const whole = of(model);
      const all = sectionsOf(whole);
      expect(all.flatMap(({ nodes }) => nodes)).toEqual(nodesOf(whole));
      for (const { nodes, names } of all)
        for (const { inputs } of nodes)
          for (const value of Object.values(inputs))
            if (value.kind === "node" || value.kind === "input") expect(names).toContain(value.name);
    },
  );

  it("a number's way goes through the steps that keep its place", () => {
    const nodes = nodesOf(of("resnet18"));
    const readers = readersOf(nodes);
    const way = (name: string) =>
      stepsThrough(nodes.find((node) => node.name === name)!, readers).map((each) => each.name);
    const first = ["layer1.0.conv1", "layer1.0.bn1", "layer1.0.relu"];
    for (const name of first) expect(way(name)).toEqual(first);
    expect(way("layer1.0.conv2")).toEqual(["layer1.0.conv2", "layer1.0.bn2", "layer1.0.add", "layer1.0.relu_1"]);
    expect(way("layer1.0.add")).toEqual(["layer1.0.add", "layer1.0.relu_1"]);
  });
});

describe("statistics", () => {
  it("by hand", () => {
    const { histogram, ...rest } = statisticsOf(Float32Array.of(0, -1, 3, 0, 3));
    expect(rest).toEqual({ count: 5, min: -1, max: 3, mean: 1, zeros: 0.4 });
    expect(histogram[0]).toBe(1);
    expect(histogram.at(-1)).toBe(2);
    expect(histogram.reduce((sum, each) => sum + each, 0)).toBe(3); // without the zeros
  });

  it("each channel's peak, and the strongest first", () => {
    const peaks = peaksOf(Float32Array.of(1, 2, 9, -5, -7, -6, 2, 0), 4);
    expect([...peaks]).toEqual([2, 9, -6, 2]);
    expect([...strongestFirst(peaks)]).toEqual([1, 0, 3, 2]);
  });
});

it("a map's strongest places lie apart, and are above 0", () => {
  const map = Float32Array.of(9, 8, 0, 7, 6, 0, 5, -1, 0, 1, 0, 0, 0, 0, -4, 0); // 4 × 4: 8 and 6 are neighbours of 9
  expect(spotsOf(map, 4)).toEqual([0, 3, 9]);
});

describe("colours", () => {
  it.each(["light", "dark"] as const)("digits can be read on each of them, %s", (palette) => {
    for (let level = -255; level <= 255; level++) {
      const ground = luminanceOf(cssColour(level, 255, palette));
      const ink = inkOn(level, 255, palette) === "#fff" ? 1 : 0;
      const [lighter, darker] = [Math.max(ground, ink), Math.min(ground, ink)];
      expect((lighter + 0.05) / (darker + 0.05), `${level}`).toBeGreaterThanOrEqual(4.5); // WCAG 2.2, 1.4.3
    }
  });

  it.each(["light", "dark"] as const)("a larger magnitude stands out more from 0, %s", (palette) => {
    const away = (level: number) =>
      Math.abs(luminanceOf(cssColour(level, 255, palette)) - luminanceOf(cssColour(0, 255, palette)));
    for (const sign of [1, -1])
      for (let level = 8; level <= 255; level += 8)
        expect(away(sign * level)).toBeGreaterThan(away(sign * (level - 8)));
  });
});

/** WCAG's relative luminance of `rgb(r g b)`. */
function luminanceOf(css: string): number {
  const [r, g, b] = css
    .match(/\d+/g)!
    .map((byte) => Number(byte) / 255)
    .map((share) => (share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4));
  return 0.2126 * r! + 0.7152 * g! + 0.0722 * b!;
}

describe("words", () => {
  it.each([
    [0, "0"],
    [-0.0784, "−.078"],
    [0.385, ".39"],
    [-1.37, "−1.4"],
    [12.3, "12"],
    [-9999, "−9999"],
    [123456, "1e+5"],
  ])("of %f for a cell", (value, words) => {
    expect(cellWords(value)).toBe(words);
  });

  it.each([
    [0, "0"],
    [-0.000123456, "−1.23e−4"],
    [4.96459, "4.96"],
    [-1000, "−1000"],
  ])("of %f in three digits", (value, words) => {
    expect(numberWords(value)).toBe(words);
  });

  it("of counts and bytes", () => {
    expect([2320, 1_179_648, 4.09e9].map(countWords)).toEqual(["2,320", "1.18 M", "4.09 G"]);
    expect([40, 1024, 65536, 3_211_264].map(byteWords)).toEqual(["40 bytes", "1.00 KiB", "64.0 KiB", "3.06 MiB"]);
  });

  it("of shares: a small share is not none", () => {
    expect([0, 0.0004, 0.052, 0.5].map(percentWords)).toEqual(["0 %", "< 0.1 %", "5.2 %", "50 %"]);
  });
});
