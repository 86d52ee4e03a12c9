import { evaluateOp, fill, type Pads, tensorOf } from "@residual/core";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Instructions } from "../encode/function.ts";
import { hasRelaxedSimd } from "../platform.ts";
import { LayerRun } from "../testing/layer-run.ts";
import { direct } from "./direct.ts";
import type { ConvolutionLayer } from "./layer.ts";
import { plain } from "./plain.ts";

const forms: readonly Instructions[] = hasRelaxedSimd() ? ["relaxed madd", "mul and add"] : ["mul and add"];

const upTo = (most: number, least = 0) => fc.integer({ min: least, max: most });
const pair = (most: number) => fc.tuple(upTo(most, 1), upTo(most, 1));
const pads: fc.Arbitrary<Pads> = fc.tuple(upTo(2), upTo(2), upTo(2), upTo(2));

/** Groups of channels that are no multiple of 4, too: one group takes any number, several multiples of 4. */
const channels = fc.oneof(
  fc.record({ groups: fc.constant(1), inputs: upTo(13, 1), outputs: upTo(41, 1) }),
  fc.record({
    groups: upTo(3, 2),
    inputs: upTo(3, 1).map((fours) => 4 * fours),
    outputs: upTo(4, 1).map((fours) => 4 * fours),
  }),
);

interface Case {
  readonly images: number;
  readonly channels: { readonly groups: number; readonly inputs: number; readonly outputs: number };
  readonly size: readonly [number, number];
  readonly kernel: readonly [number, number];
  readonly stride: readonly [number, number];
  readonly dilation: readonly [number, number];
  readonly padding: Pads;
  /** Of y and of the residual. */
  readonly borders: readonly [Pads, Pads];
  readonly hasBias: boolean;
  readonly hasResidual: boolean;
  readonly relu: boolean;
}

function stepsOf({ size, kernel, stride, dilation, padding }: Case): readonly [number, number] {
  const steps = ([0, 1] as const).map((axis) => {
    const whole = size[axis] + padding[axis] + padding[axis === 0 ? 2 : 3];
    return Math.floor((whole - dilation[axis] * (kernel[axis] - 1) - 1) / stride[axis]) + 1;
  });
  return [steps[0]!, steps[1]!];
}

const cases: fc.Arbitrary<Case> = fc
  .record({
    images: upTo(3, 1),
    channels,
    size: fc.oneof(fc.tuple(upTo(20, 1), upTo(20, 1)), fc.constant([1, 1] as const)),
    kernel: fc.oneof(fc.constant([1, 1] as const), fc.constant([3, 3] as const), pair(5)),
    stride: fc.oneof(fc.constant([1, 1] as const), pair(3)),
    dilation: fc.oneof(fc.constant([1, 1] as const), pair(2)),
    padding: pads,
    borders: fc.oneof(
      fc.constant([
        [0, 0, 0, 0],
        [0, 0, 0, 0],
      ] as const),
      fc.tuple(pads, pads),
    ),
    hasBias: fc.boolean(),
    hasResidual: fc.boolean(),
    relu: fc.boolean(),
  })
  .filter((each) => stepsOf(each).every((steps) => steps >= 1));

function layerOf(given: Case): ConvolutionLayer {
  const { groups, inputs, outputs } = given.channels;
  const [height, width] = stepsOf(given);
  const y = { order: "quads", channels: groups * outputs, height, width, border: given.borders[0] } as const;
  const { kernel, stride, padding, dilation, relu, hasBias } = given;
  return {
    x: { order: "quads", channels: groups * inputs, height: given.size[0], width: given.size[1], border: padding },
    y,
    ...(given.hasResidual && { residual: { ...y, border: given.borders[1] } }),
    hasBias,
    kernel,
    attributes: { stride, padding, dilation, groups, relu },
  };
}

function numbersFor({ x, y, residual, hasBias, kernel, attributes }: ConvolutionLayer, images: number) {
  const numbers = (name: string, ...shape: number[]) => fill("direct", name, shape, -1, 1).data;
  return {
    x: numbers("x", images, x.channels, x.height, x.width),
    weight: numbers("weight", y.channels, x.channels / attributes.groups, ...kernel),
    ...(hasBias && { bias: numbers("bias", y.channels) }),
    ...(residual && { residual: numbers("residual", images, y.channels, y.height, y.width) }),
  };
}

/** By the reference, in float64. */
function expectedOf(
  { x, y, kernel, attributes }: ConvolutionLayer,
  images: number,
  given: ReturnType<typeof numbersFor>,
): Float64Array {
  const wide = (shape: number[], data: ArrayLike<number>) => tensorOf("float64", shape, Float64Array.from(data));
  const shape = [images, y.channels, y.height, y.width];
  const inputs = {
    x: wide([images, x.channels, x.height, x.width], given.x),
    weight: wide([y.channels, x.channels / attributes.groups, ...kernel], given.weight),
    ...(given.bias && { bias: wide([y.channels], given.bias) }),
    ...(given.residual && { residual: wide(shape, given.residual) }),
  };
  return evaluateOp({ op: "fusedConv2d", attributes }, inputs, shape);
}

/** γₙ·n of n terms below 1 (docs/tolerances.md). */
function boundOf({ x, kernel, attributes }: ConvolutionLayer): number {
  const terms = (x.channels / attributes.groups) * kernel[0] * kernel[1] + 2;
  return ((terms * 2 ** -24) / (1 - terms * 2 ** -24)) * terms;
}

describe.each(forms)("%s", (instructions) => {
  it("every way to compute a layer is within the bound, in any order of tasks, and keeps to y", async () => {
    await fc.assert(
      fc.asyncProperty(cases, upTo(3, 1), async (given, tasks) => {
        const layer = layerOf(given);
        const numbers = numbersFor(layer, given.images);
        const expected = expectedOf(layer, given.images, numbers);
        const bound = boundOf(layer);
        for (const strategy of [...direct(layer, instructions), plain(layer)]) {
          const target = { instructions, isShared: false };
          const run = await LayerRun.load(strategy, layer, target, numbers, given.images);
          run.runInRanges(tasks);
          const found = run.read();
          const wrong = found.findIndex((value, at) => !(Math.abs(value - expected[at]!) <= bound));
          expect(wrong, `${strategy.name}: number ${wrong} of ${found.length}`).toBe(-1);
          expect(run.hasCleanBorder(), strategy.name).toBe(true);
        }
      }),
      { numRuns: 300 },
    );
  });
});

describe("ways that are offered", () => {
  const layer = (groups: number, inputs: number, outputs: number) =>
    layerOf({
      images: 1,
      channels: { groups, inputs, outputs },
      size: [8, 8],
      kernel: [3, 3],
      stride: [1, 1],
      dilation: [1, 1],
      padding: [1, 1, 1, 1],
      borders: [
        [0, 0, 0, 0],
        [0, 0, 0, 0],
      ],
      hasBias: true,
      hasResidual: false,
      relu: true,
    });
  const names = (given: ConvolutionLayer) => direct(given, "relaxed madd").map(({ name }) => name);

  it.each([
    ["RGB, pixel by pixel too", layer(1, 3, 64), ["direct 8 pixels", "direct 8 quads"]],
    ["fours of channels", layer(1, 64, 64), ["direct 8 quads"]],
    ["groups of four", layer(32, 4, 4), ["direct 4 quads"]],
    ["groups of eight", layer(32, 8, 8), ["direct 8 quads"]],
    ["none for groups of three", layer(2, 3, 3), []],
  ])("%s", (_, given, expected) => expect(names(given)).toEqual(expected));
});
