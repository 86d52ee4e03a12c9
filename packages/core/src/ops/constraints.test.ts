import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { ShapeError } from "../ir/errors.ts";
import { input, parameter, type Shape, type Value } from "../ir/value.ts";
import { ops } from "./nodes.ts";

const image = (...shape: Shape): Value => input("x", shape);
const weights = (...shape: number[]): Value => parameter("p", shape);
const x = image("N", 4, 6, 6);
const four = weights(4);

/** For each label of each op's docstring, calls that break just that constraint. */
const broken: { readonly [label: string]: readonly (() => unknown)[] } = {
  "add.C1": [() => ops.add({ a: x, b: image("N", 4, 6, 5) }), () => ops.add({ a: x, b: image(2, 4, 6, 6) })],
  "averagePool2d.C1": [() => ops.averagePool2d({ x: image("N", 4) }, { window: 2 })],
  "averagePool2d.C2": [
    () => ops.averagePool2d({ x }, { window: 0 }),
    () => ops.averagePool2d({ x }, { window: 2, stride: 1.5 }),
  ],
  "averagePool2d.C3": [() => ops.averagePool2d({ x }, { window: 2, stride: 3, ceil: true })],
  "averagePool2d.C4": [() => ops.averagePool2d({ x }, { window: 7 })],
  "batchNorm.C1": [() => ops.batchNorm({ x: four, scale: four, shift: four, mean: four, variance: four })],
  "batchNorm.C2": [() => ops.batchNorm({ x, scale: four, shift: four, mean: weights(3), variance: four })],
  "batchNorm.C3": [() => ops.batchNorm({ x, scale: four, shift: four, mean: four, variance: four }, { epsilon: -1 })],
  "conv2d.C1": [() => ops.conv2d({ x: image("N", 4), weight: weights(2, 4, 3, 3) })],
  "conv2d.C2": [() => ops.conv2d({ x, weight: weights(2, 4, 3) })],
  "conv2d.C3": [
    () => ops.conv2d({ x, weight: weights(2, 4, 3, 3) }, { stride: 0 }),
    () => ops.conv2d({ x, weight: weights(2, 4, 3, 3) }, { padding: [0, 0, 0, -1] }),
    () => ops.conv2d({ x, weight: weights(2, 4, 3, 3) }, { dilation: [1, 0.5] }),
    () => ops.conv2d({ x, weight: weights(2, 4, 3, 3) }, { groups: Number.NaN }),
  ],
  "conv2d.C4": [
    () => ops.conv2d({ x, weight: weights(2, 3, 3, 3) }),
    () => ops.conv2d({ x, weight: weights(2, 4, 3, 3) }, { groups: 2 }),
  ],
  "conv2d.C5": [() => ops.conv2d({ x, weight: weights(3, 2, 3, 3) }, { groups: 2 })],
  "conv2d.C6": [() => ops.conv2d({ x, weight: weights(2, 4, 3, 3), bias: weights(4) })],
  "conv2d.C7": [
    () => ops.conv2d({ x, weight: weights(2, 4, 7, 7) }),
    () => ops.conv2d({ x, weight: weights(2, 4, 3, 3) }, { dilation: 3 }),
  ],
  "flatten.C1": [() => ops.flatten({ x: image("N", 4) })],
  "fusedConv2d.C1": [() => ops.fusedConv2d({ x, weight: weights(2, 4, 3, 3), residual: x })],
  "globalAveragePool.C1": [() => ops.globalAveragePool({ x: image("N", 4) })],
  "linear.C1": [() => ops.linear({ x, weight: weights(2, 4) })],
  "linear.C2": [
    () => ops.linear({ x: image("N", 4), weight: weights(2, 5) }),
    () => ops.linear({ x: image("N", 4), weight: four }),
  ],
  "linear.C3": [() => ops.linear({ x: image("N", 4), weight: weights(2, 4), bias: weights(3) })],
  "logSoftmax.C1": [() => ops.logSoftmax({ x })],
  "maxPool2d.C1": [() => ops.maxPool2d({ x: image("N", 4) }, { window: 2 })],
  "maxPool2d.C2": [
    () => ops.maxPool2d({ x }, { window: 3, padding: 2 }),
    () => ops.maxPool2d({ x }, { window: 3, padding: [0, 0, 0, 2] }),
    () => ops.maxPool2d({ x }, { window: 0 }),
  ],
  "maxPool2d.C3": [() => ops.maxPool2d({ x }, { window: 7 })],
  "multiply.C1": [() => ops.multiply({ x: image("N", 4), gate: x })],
  "multiply.C2": [
    () => ops.multiply({ x, gate: image("N", 3, 1, 1) }),
    () => ops.multiply({ x, gate: image("N", 4, 6, 1) }),
  ],
  "padChannels.C1": [() => ops.padChannels({ x: image("N", 4) })],
  "padChannels.C2": [() => ops.padChannels({ x }, { before: -1 }), () => ops.padChannels({ x }, { after: 0.5 })],
  "softmax.C1": [() => ops.softmax({ x })],
  "subsample.C1": [() => ops.subsample({ x: image("N", 4) }, { stride: 2 })],
  "subsample.C2": [() => ops.subsample({ x }, { stride: 0 })],
  "zeroPad2d.C1": [() => ops.zeroPad2d({ x: image("N", 4) }, { padding: 1 })],
  "zeroPad2d.C2": [() => ops.zeroPad2d({ x }, { padding: -1 }), () => ops.zeroPad2d({ x }, { padding: 0.5 })],
};

describe.each(Object.entries(broken))("%s", (label, calls) => {
  it.each(calls.map((call) => [call] as const))("is checked by %s", (call) => {
    expect(call).toThrow(ShapeError);
    expect(call).toThrow(expect.objectContaining({ label }));
  });
});

it("every label of a docstring has a call here that breaks it", () => {
  const files = readdirSync(import.meta.dirname).filter((file) => /^(?!index|nodes).*(?<!test)\.ts$/.test(file));
  const labels = files.flatMap((file) => {
    const source = readFileSync(`${import.meta.dirname}/${file}`, "utf8");
    const op = /name: "(\w+)"/.exec(source)![1];
    return [...source.matchAll(/^ \* (C\d) {2}/gm)].map(([, label]) => `${op}.${label}`);
  });
  expect(Object.keys(broken).sort()).toEqual(labels.sort());
});

it("a missing input is named", () => {
  // @ts-expect-error: weight is missing
  expect(() => ops.conv2d({ x })).toThrow("input weight is missing (conv2d)");
});
