import {
  constant,
  fill,
  graph,
  type Input,
  input,
  ops,
  reference,
  sizeOf,
  type Tensor,
  winogradF2,
  winogradF4,
} from "@residual/core";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Layer } from "../decide/layer.ts";
import type { Four } from "../lower/layout.ts";
import { type Arithmetic, exactOutput, winogradRoundings } from "./exact-output.ts";

const float32: Arithmetic = { memory: "float32", hasFloat16Products: false };

type Inputs = { readonly [name: string]: Tensor<"float32"> };

/** A layer with its numbers, and the reference's result. */
async function answered(layer: Layer) {
  const { x: ofX, weight: ofWeight, y: ofY, hasBias, hasResidual, attributes } = layer;
  const tensors = {
    x: fill("v1", "x", ofX, -1, 1),
    weight: fill("v1", "weight", ofWeight, -1, 1),
    bias: fill("v1", "bias", [ofWeight[0]], -1, 1),
    residual: fill("v1", "residual", ofY, -1, 1),
  };
  const [x, residual] = [input("x", ofX), input("residual", ofY)];
  const weight = constant("weight", tensors.weight);
  const addends = { ...(hasBias && { bias: constant("bias", tensors.bias) }), ...(hasResidual && { residual }) };
  const y = ops.fusedConv2d({ x, weight, ...addends }, attributes);
  const inputs: { readonly [name: string]: Input } = { x, ...(hasResidual && { residual }) };
  await using executable = await reference.compile(graph({ name: "layer", inputs, outputs: { y } }));
  const given: Inputs = { x: tensors.x, ...(hasResidual && { residual: tensors.residual }) };
  return { tensors, expected: (await executable.run(given)).y };
}

/** The inputs of an output of the first image. */
function inputsOf(layer: Layer, tensors: Inputs, channel: number, at: number) {
  const [, , h, w] = layer.x;
  const length = sizeOf(layer.weight.slice(1));
  return {
    x: (c: number, pixel: number) => tensors.x!.data[c * h * w + pixel]!,
    weight: tensors.weight!.data.slice(channel * length, (channel + 1) * length),
    bias: layer.hasBias ? tensors.bias!.data[channel]! : 0,
    residual: layer.hasResidual ? tensors.residual!.data[at]! : 0,
  };
}

const upTo = (max: number) => fc.integer({ min: 1, max });
const layers = fc
  .record({
    groups: upTo(3),
    channels: upTo(3),
    outputs: upTo(3),
    kernel: fc.tuple(upTo(3), upTo(3)),
    stride: fc.tuple(upTo(2), upTo(2)),
    dilation: fc.tuple(upTo(2), upTo(2)),
    padding: fc.tuple(upTo(2), upTo(2), upTo(2), upTo(2)),
    size: fc.tuple(fc.integer({ min: 5, max: 8 }), fc.integer({ min: 5, max: 8 })),
    hasBias: fc.boolean(),
    hasResidual: fc.boolean(),
    relu: fc.boolean(),
  })
  .map(({ groups, channels, outputs, kernel, stride, dilation, padding, size, hasBias, hasResidual, relu }): Layer => {
    const [top, left, bottom, right] = padding;
    const around = [top + bottom, left + right] as const;
    const sides = size.map(
      (side, axis) =>
        Math.floor((side + around[axis]! - dilation[axis]! * (kernel[axis]! - 1) - 1) / stride[axis]!) + 1,
    );
    const y: Four = [1, groups * outputs, sides[0]!, sides[1]!];
    const attributes = { stride, padding, dilation, groups, relu };
    const weight: Four = [groups * outputs, channels, ...kernel];
    return { x: [1, groups * channels, ...size], weight, y, hasBias, hasResidual, attributes };
  });

it("an output is the reference's, for layers of all kinds", async () => {
  await fc.assert(
    fc.asyncProperty(layers, async (layer) => {
      const { tensors, expected } = await answered(layer);
      const [, channels, height, width] = layer.y;
      for (let at = 0; at < channels * height * width; at++) {
        const [channel, row] = [Math.floor(at / (height * width)), Math.floor(at / width) % height];
        const inputs = inputsOf(layer, tensors, channel, at);
        const { value, bound } = exactOutput(layer, float32, inputs, { channel, row, column: at % width });
        expect(value).toBeCloseTo(Number(expected.data[at]), 12); // both sums are in float64, but in different orders
        expect(bound).toBeGreaterThan(0);
      }
    }),
    { numRuns: 40 },
  );
});

describe("the bound", () => {
  const attributes = { stride: [1, 1], padding: [0, 0, 0, 0], dilation: [1, 1], groups: 1, relu: false } as const;
  const square: Layer = {
    x: [1, 1, 2, 2],
    weight: [1, 1, 2, 2],
    y: [1, 1, 1, 1],
    hasBias: true,
    hasResidual: false,
    attributes,
  };
  const place = { channel: 0, row: 0, column: 0 };
  const inputs = {
    x: (_: number, pixel: number) => [1, 2, 3, 4][pixel]!,
    weight: [1, -1, 0.5, 2],
    bias: 0.25,
    residual: 0,
  };
  const u = 2 ** -23;

  it("is γ₅·12.75 in docs/tolerances.md's example, with WGSL's unit roundoff", () => {
    const { value, bound } = exactOutput(square, float32, inputs, place);
    expect(value).toBe(8.75);
    expect(bound).toBeCloseTo(((5 * u) / (1 - 5 * u)) * 12.75, 15);
  });

  it("has three roundings of 2⁻¹¹ more in float16, and eleven with products", () => {
    for (const [hasFloat16Products, stored] of [
      [false, 3],
      [true, 11],
    ] as const) {
      const { bound } = exactOutput(square, { memory: "float16", hasFloat16Products }, inputs, place);
      const growth = (1 + (5 * u) / (1 - 5 * u)) * (1 + 2 ** -11) ** stored - 1;
      expect(bound).toBeCloseTo(growth * 12.75 + 2 * 5 * 2 ** -14 * (1 + 4 + 2), 12);
    }
  });

  it("is infinite where a number is not finite, or beyond float16", () => {
    const infinite = { ...inputs, x: () => Infinity };
    const large = { ...inputs, x: () => 40_000 };
    expect(exactOutput(square, float32, infinite, place).bound).toBe(Infinity);
    expect(exactOutput(square, float32, { ...inputs, x: () => Number.NaN }, place).bound).toBe(Infinity);
    expect(exactOutput(square, float32, large, place).bound).toBeLessThan(1);
    expect(exactOutput(square, { memory: "float16", hasFloat16Products: false }, large, place).bound).toBe(Infinity);
  });

  it("takes Winograd's roundings from its matrices, as in docs/tolerances.md's table", () => {
    expect([winogradF2, winogradF4].map(winogradRoundings)).toEqual([10, 22]);
  });

  it("is that of a whole tile for F(2, 3): of ones 64 a channel, and the convolution's own 9", () => {
    // rows of |Bᵀ| have sums of 2; those of |G| have 1, 1.5, 1.5, 1, of which each row of |Aᵀ| takes 4
    const layer: Layer = { ...square, x: [1, 2, 4, 4], weight: [1, 2, 3, 3], y: [1, 1, 2, 2], hasBias: false };
    const ones = { x: () => 1, weight: new Float32Array(18).fill(1), bias: 0, residual: 0 };
    for (const [row, column] of [
      [0, 0],
      [0, 1],
      [1, 0],
      [1, 1],
    ] as const) {
      const { bound } = exactOutput(layer, { ...float32, winograd: winogradF2 }, ones, { channel: 0, row, column });
      const n = 2 + 10;
      expect(bound).toBeCloseTo(((n * u) / (1 - n * u)) * 2 * (64 + 9), 12);
    }
  });
});
