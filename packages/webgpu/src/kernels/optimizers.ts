import { flat, type KernelIn } from "./kernel.ts";

/** Tensors in the host's order. `factor` binds another operand if `hasFactor` is 0, `parameter` if `hasDecay` is 0. */
export const movingAverage: KernelIn = flat({
  name: "movingAverage",
  operands: ["average", "value", "parameter", "factor", "y"],
  params: ["keep", "share", "decay", "squared", "hasFactor", "hasDecay"],
  code: /* wgsl */ `
  var v = value(i);
  if (p.hasFactor == 1u) { v *= factor(0u).x; }
  if (p.hasDecay == 1u) { v += bitcast<f32>(p.decay) * parameter(i); }
  if (p.squared == 1u) { v *= v; }
  put(i, bitcast<f32>(p.keep) * average(i) + bitcast<f32>(p.share) * v);`,
});

export const descend: KernelIn = flat({
  name: "descend",
  operands: ["parameter", "direction", "learningRate", "y"],
  params: ["rate", "decay"],
  code: /* wgsl */ `
  let before = parameter(i);
  let step = bitcast<f32>(p.rate) * learningRate(0u).x;
  put(i, before - step * (direction(i) + bitcast<f32>(p.decay) * before));`,
});

export const adamStep: KernelIn = flat({
  name: "adamStep",
  operands: ["parameter", "mean", "square", "meanWeight", "squareWeight", "learningRate", "y"],
  params: ["epsilon", "rate", "decay"],
  code: /* wgsl */ `
  let before = parameter(i);
  let deviation = sqrt(square(i) / squareWeight(0u).x) + bitcast<f32>(p.epsilon);
  let direction = mean(i) / meanWeight(0u).x / deviation + bitcast<f32>(p.decay) * before;
  put(i, before - bitcast<f32>(p.rate) * learningRate(0u).x * direction);`,
});

export const choose: KernelIn = flat({
  name: "choose",
  operands: ["before", "after", "condition", "y"],
  params: [],
  code: "  put(i, select(before(i), after(i), condition(0u).x != 0.0));",
});
