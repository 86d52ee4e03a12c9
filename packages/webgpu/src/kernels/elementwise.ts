import { flat, type KernelIn, plain } from "./kernel.ts";

/** One to three loads and one store per invocation: memory limits the speed of these kernels. */
export const add: KernelIn = plain({
  name: "add",
  operands: ["a", "b", "y"],
  params: [],
  code: "  put(i, a(i) + b(i));",
});

export const relu: KernelIn = plain({
  name: "relu",
  operands: ["x", "y"],
  params: [],
  code: "  put(i, rectified(x(i)));",
});

export const addRow: KernelIn = flat({
  name: "add, of rows",
  operands: ["a", "b", "y"],
  params: [],
  code: "  put(i, a(i) + b(i));",
});

export const times: KernelIn = plain({
  name: "times",
  operands: ["a", "b", "y"],
  params: [],
  code: "  put(i, a(i) * b(i));",
});

export const divide: KernelIn = plain({
  name: "divide",
  operands: ["a", "b", "y"],
  params: ["quads", "channels"],
  code: "  put(i, zeroPadded(a(i) / b(i), plane % p.quads, p.channels));",
});

export const affine: KernelIn = plain({
  name: "affine",
  operands: ["x", "y"],
  params: ["quads", "channels", "factor", "offset"],
  code: /* wgsl */ `
  let whole = bitcast<f32>(p.factor) * x(i) + bitcast<f32>(p.offset);
  put(i, zeroPadded(whole, plane % p.quads, p.channels));`,
});

export const affineRow: KernelIn = flat({
  name: "affine, of rows",
  operands: ["x", "y"],
  params: ["factor", "offset"],
  code: "  put(i, bitcast<f32>(p.factor) * x(i) + bitcast<f32>(p.offset));",
});

export const sqrt: KernelIn = plain({
  name: "sqrt",
  operands: ["x", "y"],
  params: [],
  code: "  put(i, sqrt(x(i)));",
});

export const sqrtRow: KernelIn = flat({
  name: "sqrt, of rows",
  operands: ["x", "y"],
  params: [],
  code: "  put(i, sqrt(x(i)));",
});

/** Computed from e^−|x|, which cannot overflow. */
export const sigmoid: KernelIn = plain({
  name: "sigmoid",
  operands: ["x", "y"],
  params: ["quads", "channels"],
  code: /* wgsl */ `
  let small = exp(-abs(x(i)));
  let positive = 1.0 / (1.0 + small);
  let whole = select(select(positive, small / (1.0 + small), isNegative(x(i))), x(i), isNan(x(i)));
  put(i, zeroPadded(whole, plane % p.quads, p.channels));`,
});

export const multiply: KernelIn = plain({
  name: "multiply",
  operands: ["x", "gate", "y"],
  params: ["gatePixels"],
  code: "  put(i, x(i) * gate(select(i, plane, p.gatePixels == 1u)));",
});

export const batchNorm: KernelIn = plain({
  name: "batchNorm",
  operands: ["x", "scale", "shift", "mean", "variance", "y"],
  params: ["quads", "epsilon"],
  code: /* wgsl */ `
  let quad = plane % p.quads;
  let gain = scale(quad) * inverseSqrt(variance(quad) + bitcast<f32>(p.epsilon));
  put(i, (x(i) - mean(quad)) * gain + shift(quad));`,
});

/** A strided slice. */
export const subsample: KernelIn = plain({
  name: "subsample",
  operands: ["x", "y"],
  params: ["h", "w", "ow", "down", "right"],
  code: /* wgsl */ `
  let row = quotient(pixel, p.ow); let column = pixel - row * p.ow;
  put(i, x((plane * p.h + row * p.down) * p.w + column * p.right));`,
});

/** Channels of zeros before and after x. */
export const padChannels: KernelIn = plain({
  name: "padChannels",
  operands: ["x", "y"],
  numbers: ["x"],
  params: ["quads", "xChannels", "xQuads", "before"],
  code: /* wgsl */ `
  var whole = vec4f();
  for (var part = 0u; part < 4u; part++) {
    let source = plane % p.quads * 4u + part - p.before; // wraps before x
    if (source < p.xChannels) {
      whole[part] = x(((plane / p.quads * p.xQuads + source / 4u) * p.pixels + pixel) * 4u + source % 4u);
    }
  }
  put(i, whole);`,
});
