import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { ShapeError } from "../ir/errors.ts";
import { input, parameter, type Shape, type Value } from "../ir/value.ts";
import { ops } from "./nodes.ts";

const image = (...shape: Shape): Value => input("x", shape);
const weights = (...shape: number[]): Value => parameter("p", shape);
const x = image("N", 4, 6, 6);
const four = weights(4);
const closed = image(2, 4, 6, 6);
const scalar = image();

const adam = {
  parameter: four,
  mean: four,
  square: four,
  meanWeight: scalar,
  squareWeight: scalar,
  learningRate: scalar,
};
const norm = {
  x: closed,
  dy: closed,
  scale: four,
  mean: four,
  variance: four,
  scaleGradient: four,
  shiftGradient: four,
};

/** For each label of each op's docstring, calls that break just that constraint. */
const broken: { readonly [label: string]: readonly (() => unknown)[] } = {
  "adamStep.C1": [
    () => ops.adamStep({ ...adam, mean: weights(3) }),
    () => ops.adamStep({ ...adam, square: weights(4, 1) }),
  ],
  "adamStep.C2": [
    () => ops.adamStep({ ...adam, meanWeight: weights(1) }),
    () => ops.adamStep({ ...adam, learningRate: four }),
  ],
  "adamStep.C3": [() => ops.adamStep(adam, { epsilon: -1 }), () => ops.adamStep(adam, { epsilon: Number.NaN })],
  "add.C1": [() => ops.add({ a: x, b: image("N", 4, 6, 5) }), () => ops.add({ a: x, b: image(2, 4, 6, 6) })],
  "affine.C1": [() => ops.affine({ x }, { factor: Infinity }), () => ops.affine({ x }, { offset: Number.NaN })],
  "averagePool2d.C1": [() => ops.averagePool2d({ x: image("N", 4) }, { window: 2 })],
  "averagePool2d.C2": [
    () => ops.averagePool2d({ x }, { window: 0 }),
    () => ops.averagePool2d({ x }, { window: 2, stride: 1.5 }),
  ],
  "averagePool2d.C3": [() => ops.averagePool2d({ x }, { window: 2, stride: 3, ceil: true })],
  "averagePool2d.C4": [() => ops.averagePool2d({ x }, { window: 7 })],
  "averagePool2dGradient.C1": [() => ops.averagePool2dGradient({ dy: four }, { window: 2, size: 6 })],
  "averagePool2dGradient.C2": [() => ops.averagePool2dGradient({ dy: x }, { window: 2, size: [12, 0] })],
  "averagePool2dGradient.C3": [
    () => ops.averagePool2dGradient({ dy: x }, { window: 2, size: 14 }),
    () => ops.averagePool2dGradient({ dy: x }, { window: 2, size: [12, 11] }),
  ],
  "batchMean.C1": [() => ops.batchMean({ x }), () => ops.batchMean({ x: image(2, 4) })],
  "batchNorm.C1": [() => ops.batchNorm({ x: four, scale: four, shift: four, mean: four, variance: four })],
  "batchNorm.C2": [() => ops.batchNorm({ x, scale: four, shift: four, mean: weights(3), variance: four })],
  "batchNorm.C3": [() => ops.batchNorm({ x, scale: four, shift: four, mean: four, variance: four }, { epsilon: -1 })],
  "batchNormInputGradient.C1": [() => ops.batchNormInputGradient({ ...norm, x, dy: x })],
  "batchNormInputGradient.C2": [() => ops.batchNormInputGradient({ ...norm, scaleGradient: weights(3) })],
  "batchNormInputGradient.C3": [() => ops.batchNormInputGradient({ ...norm, dy: x })],
  "batchNormScaleGradient.C1": [() => ops.batchNormScaleGradient({ x: four, dy: four, mean: four, variance: four })],
  "batchNormScaleGradient.C2": [() => ops.batchNormScaleGradient({ x, dy: x, mean: four, variance: weights(1) })],
  "batchNormScaleGradient.C3": [() => ops.batchNormScaleGradient({ x, dy: closed, mean: four, variance: four })],
  "batchVariance.C1": [() => ops.batchVariance({ x, mean: four })],
  "batchVariance.C2": [() => ops.batchVariance({ x: closed, mean: weights(2) })],
  "channelSum.C1": [() => ops.channelSum({ x: four }), () => ops.channelSum({ x: image(2, 4, 6) })],
  "choose.C1": [() => ops.choose({ before: x, after: closed, condition: scalar })],
  "choose.C2": [() => ops.choose({ before: x, after: x, condition: weights(1) })],
  "clipFactor.C1": [() => ops.clipFactor({ squares: four }, { limit: 1 })],
  "clipFactor.C2": [
    () => ops.clipFactor({ squares: scalar }, { limit: 0 }),
    () => ops.clipFactor({ squares: scalar }, { limit: Infinity }),
  ],
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
  "conv2dInputGradient.C1": [() => ops.conv2dInputGradient({ dy: four, weight: weights(2, 4, 3, 3) }, { size: 6 })],
  "conv2dInputGradient.C2": [() => ops.conv2dInputGradient({ dy: x, weight: weights(4, 4, 3, 3) }, { size: [8, 0] })],
  "conv2dInputGradient.C3": [
    () => ops.conv2dInputGradient({ dy: x, weight: weights(4, 4, 3, 3) }, { size: 9 }),
    () => ops.conv2dInputGradient({ dy: x, weight: weights(2, 4, 3, 3) }, { size: 8 }),
  ],
  "conv2dWeightGradient.C1": [() => ops.conv2dWeightGradient({ x: four, dy: x }, { kernel: 3 })],
  "conv2dWeightGradient.C2": [() => ops.conv2dWeightGradient({ x, dy: four }, { kernel: 3 })],
  "conv2dWeightGradient.C3": [() => ops.conv2dWeightGradient({ x, dy: x }, { kernel: [3, 0], padding: 1 })],
  "conv2dWeightGradient.C4": [() => ops.conv2dWeightGradient({ x, dy: x }, { kernel: 1, groups: 3 })],
  "conv2dWeightGradient.C5": [
    () => ops.conv2dWeightGradient({ x, dy: x }, { kernel: 3 }),
    () => ops.conv2dWeightGradient({ x, dy: closed }, { kernel: 1 }),
  ],
  "crossEntropy.C1": [
    () => ops.crossEntropy({ logits: image("N", 4), target: image("N", 4) }),
    () => ops.crossEntropy({ logits: closed, target: closed }),
  ],
  "crossEntropy.C2": [() => ops.crossEntropy({ logits: image(2, 4), target: image(2, 5) })],
  "descend.C1": [() => ops.descend({ parameter: four, direction: weights(3), learningRate: scalar })],
  "descend.C2": [() => ops.descend({ parameter: four, direction: four, learningRate: weights(1) })],
  "divide.C1": [
    () => ops.divide({ a: x, b: four }),
    () => ops.divide({ a: x, b: image(1, 2, 1, 1) }),
    () => ops.divide({ a: scalar, b: x }),
  ],
  "expand.C1": [
    () => ops.expand({ x: scalar }, { shape: [2, 0] }),
    () => ops.expand({ x: scalar }, { shape: [-1, 2] }),
    () => ops.expand({ x: image(1, 1) }, { shape: [1, -1] }),
  ],
  "expand.C2": [
    () => ops.expand({ x: four }, { shape: [4, 4] }),
    () => ops.expand({ x: image(1, 2) }, { shape: [1, 4] }),
    () => ops.expand({ x: image("N", 1) }, { shape: [2, 4] }),
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
  "linearInputGradient.C1": [() => ops.linearInputGradient({ dy: four, weight: weights(4, 3) })],
  "linearInputGradient.C2": [
    () => ops.linearInputGradient({ dy: image("N", 4), weight: weights(3, 4) }),
    () => ops.linearInputGradient({ dy: image("N", 4), weight: four }),
  ],
  "linearWeightGradient.C1": [() => ops.linearWeightGradient({ x: four, dy: image("N", 4) })],
  "linearWeightGradient.C2": [
    () => ops.linearWeightGradient({ x: image("N", 4), dy: image(2, 4) }),
    () => ops.linearWeightGradient({ x: image("N", 4), dy: four }),
  ],
  "logSoftmax.C1": [() => ops.logSoftmax({ x })],
  "logSoftmaxGradient.C1": [() => ops.logSoftmaxGradient({ x, dy: x })],
  "logSoftmaxGradient.C2": [() => ops.logSoftmaxGradient({ x: image("N", 4), dy: image("N", 5) })],
  "maxPool2d.C1": [() => ops.maxPool2d({ x: image("N", 4) }, { window: 2 })],
  "maxPool2d.C2": [
    () => ops.maxPool2d({ x }, { window: 3, padding: 2 }),
    () => ops.maxPool2d({ x }, { window: 3, padding: [0, 0, 0, 2] }),
    () => ops.maxPool2d({ x }, { window: 0 }),
  ],
  "maxPool2d.C3": [() => ops.maxPool2d({ x }, { window: 7 })],
  "maxPool2dGradient.C1": [
    () => ops.maxPool2dGradient({ x, dy: x }, { window: 2 }),
    () => ops.maxPool2dGradient({ x, dy: image(2, 4, 3, 3) }, { window: 2 }),
  ],
  "meanSquaredError.C1": [() => ops.meanSquaredError({ x, target: x })],
  "meanSquaredError.C2": [() => ops.meanSquaredError({ x: closed, target: image(2, 4) })],
  "movingAverage.C1": [
    () => ops.movingAverage({ average: four, value: weights(3) }, { keep: 0.9 }),
    () => ops.movingAverage({ average: four, value: four, parameter: weights(3) }, { keep: 0.9, decay: 1 }),
  ],
  "movingAverage.C2": [() => ops.movingAverage({ average: four, value: four, factor: weights(1) }, { keep: 0.9 })],
  "movingAverage.C3": [
    () => ops.movingAverage({ average: four, value: four, parameter: four }, { keep: 0.9 }),
    () => ops.movingAverage({ average: four, value: four }, { keep: 0.9, decay: 1 }),
  ],
  "multiply.C1": [() => ops.multiply({ x: image("N", 4), gate: x })],
  "multiply.C2": [
    () => ops.multiply({ x, gate: image("N", 3, 1, 1) }),
    () => ops.multiply({ x, gate: image("N", 4, 6, 1) }),
  ],
  "padChannels.C1": [() => ops.padChannels({ x: image("N", 4) })],
  "padChannels.C2": [() => ops.padChannels({ x }, { before: -1 }), () => ops.padChannels({ x }, { after: 0.5 })],
  "reluGradient.C1": [() => ops.reluGradient({ y: x, dy: closed })],
  "reshape.C1": [
    () => ops.reshape({ x }, { shape: [4, 36] }),
    () => ops.reshape({ x: four }, { shape: [2, -1] }),
    () => ops.reshape({ x: four }, { shape: [0.5, 8] }),
  ],
  "reshape.C2": [
    () => ops.reshape({ x }, { shape: [-1, 4, 6] }),
    () => ops.reshape({ x: four }, { shape: [3] }),
    () => ops.reshape({ x: four }, { shape: [-1, 3] }),
  ],
  "sigmoidGradient.C1": [() => ops.sigmoidGradient({ y: x, dy: closed })],
  "sliceChannels.C1": [() => ops.sliceChannels({ x: four })],
  "sliceChannels.C2": [() => ops.sliceChannels({ x }, { before: -1 }), () => ops.sliceChannels({ x }, { after: 0.5 })],
  "sliceChannels.C3": [() => ops.sliceChannels({ x }, { before: 2, after: 2 })],
  "softmax.C1": [() => ops.softmax({ x })],
  "softmaxGradient.C1": [() => ops.softmaxGradient({ y: x, dy: x })],
  "softmaxGradient.C2": [() => ops.softmaxGradient({ y: image("N", 4), dy: image("N", 5) })],
  "subsample.C1": [() => ops.subsample({ x: image("N", 4) }, { stride: 2 })],
  "subsample.C2": [() => ops.subsample({ x }, { stride: 0 })],
  "subsampleGradient.C1": [() => ops.subsampleGradient({ dy: four }, { stride: 2, size: 6 })],
  "subsampleGradient.C2": [
    () => ops.subsampleGradient({ dy: x }, { stride: 0, size: 6 }),
    () => ops.subsampleGradient({ dy: x }, { stride: 2, size: 11.5 }),
  ],
  "subsampleGradient.C3": [() => ops.subsampleGradient({ dy: x }, { stride: 2, size: [12, 13] })],
  "sum.C1": [
    () => ops.sum({ x }, { axes: [4] }),
    () => ops.sum({ x }, { axes: [1, 1] }),
    () => ops.sum({ x }, { axes: [2, 1] }),
    () => ops.sum({ x }, { axes: [-1] }),
  ],
  "sumOfSquares.C1": [() => ops.sumOfSquares({ x, total: four })],
  "times.C1": [
    () => ops.times({ a: x, b: four }),
    () => ops.times({ a: x, b: image(1, 2, 1, 1) }),
    () => ops.times({ a: x, b: closed }),
  ],
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
