import { type KernelIn, plain } from "./kernel.ts";

/** The maximum and Σ e^(x − maximum) of each row: one invocation per row, so that a row is not read once per class. */
export const rowSums: KernelIn = plain({
  name: "rowSums",
  alwaysFloat32: ["y"],
  operands: ["x", "y"],
  numbers: ["x"],
  params: ["classes", "width"],
  code: /* wgsl */ `
  let start = plane * p.width;
  var largest = vec4f(x(start));
  for (var k = 1u; k < p.classes; k++) { largest = larger(largest, vec4f(x(start + k))); }
  var sum = 0.0;
  for (var k = 0u; k < p.classes; k++) { sum += exp(x(start + k) - largest.x); }
  put(i, vec4f(largest.x, sum, 0.0, 0.0));`,
});

export const softmax: KernelIn = plain({
  name: "softmax",
  alwaysFloat32: ["sums"],
  operands: ["x", "sums", "y"],
  params: ["quads", "channels"],
  code: /* wgsl */ `
  let row = sums(plane / p.quads);
  put(i, zeroPadded(exp(x(i) - row.x) / row.y, plane % p.quads, p.channels));`,
});

export const logSoftmax: KernelIn = plain({
  name: "logSoftmax",
  alwaysFloat32: ["sums"],
  operands: ["x", "sums", "y"],
  params: ["quads", "channels"],
  code: /* wgsl */ `
  let row = sums(plane / p.quads);
  put(i, zeroPadded(x(i) - row.x - log(row.y), plane % p.quads, p.channels));`,
});
