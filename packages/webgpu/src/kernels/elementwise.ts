import { type Kernel, plain } from "./kernel.ts";

/** One number in, or a few, and one out: memory sets their speed. */
export const add: Kernel = plain({ name: "add", buffers: ["a", "b", "y"], params: [], code: "  y[i] = a[i] + b[i];" });

export const relu: Kernel = plain({
  name: "relu",
  buffers: ["x", "y"],
  params: [],
  code: "  y[i] = select(x[i], 0.0, isNegative(x[i]));",
});

/** Of e^−|x|, which cannot overflow. */
export const sigmoid: Kernel = plain({
  name: "sigmoid",
  buffers: ["x", "y"],
  params: [],
  code: /* wgsl */ `
  let small = exp(-abs(x[i]));
  let positive = 1.0 / (1.0 + small);
  let negative = small / (1.0 + small);
  y[i] = select(select(positive, negative, isNegative(x[i])), x[i], isNan(x[i]));`,
});

export const multiply: Kernel = plain({
  name: "multiply",
  buffers: ["x", "gate", "y"],
  params: ["pixels"],
  code: "  y[i] = x[i] * gate[i / p.pixels];",
});

export const batchNorm: Kernel = plain({
  name: "batchNorm",
  buffers: ["x", "scale", "shift", "mean", "variance", "y"],
  params: ["pixels", "channels", "epsilon"],
  code: /* wgsl */ `
  let c = i / p.pixels % p.channels;
  let gain = scale[c] * inverseSqrt(variance[c] + bitcast<f32>(p.epsilon));
  y[i] = (x[i] - mean[c]) * gain + shift[c];`,
});

/** A strided slice. */
export const subsample: Kernel = plain({
  name: "subsample",
  buffers: ["x", "y"],
  params: ["h", "w", "oh", "ow", "down", "right"],
  code: /* wgsl */ `
  let column = i % p.ow; let row = (i / p.ow) % p.oh; let plane = i / (p.ow * p.oh);
  y[i] = x[(plane * p.h + row * p.down) * p.w + column * p.right];`,
});

/** Channels of zeros before and behind. */
export const padChannels: Kernel = plain({
  name: "padChannels",
  buffers: ["x", "y"],
  params: ["pixels", "channels", "before", "outputs"],
  code: /* wgsl */ `
  let channel = i / p.pixels % p.outputs - p.before; // before x it wraps, and is no channel
  let image = i / (p.pixels * p.outputs);
  var value = 0.0;
  if (channel < p.channels) { value = x[(image * p.channels + channel) * p.pixels + i % p.pixels]; }
  y[i] = value;`,
});
