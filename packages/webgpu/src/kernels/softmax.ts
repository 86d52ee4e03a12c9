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

/**
 * ln x for x ≥ 1, to two roundings. WGSL's own `log` may be off by 2⁻²¹, a thousandth of the loss of a network that is
 * sure of itself. With x = m·2ᵉ and m from √½ to √2, ln m = 2·artanh(s) for s = (m − 1) / (m + 1); the first term left
 * out is s¹¹ / 11 < 4e-10.
 */
const logarithm = /* wgsl */ `fn logarithm(x: f32) -> f32 {
  let bits = bitcast<u32>(x);
  let over = bits - 0x3f3504f3u;
  let m = bitcast<f32>((over & 0x007fffffu) + 0x3f3504f3u);
  let s = (m - 1.0) / (m + 1.0); let z = s * s;
  let series = z * (1.0 / 3.0 + z * (1.0 / 5.0 + z * (1.0 / 7.0 + z / 9.0)));
  let whole = f32(bitcast<i32>(over) >> 23u) * 0.6931471805599453 + 2.0 * (s + s * series);
  return select(whole, x, bits >= 0x7f800000u); // NaN and infinity
}`;

export const logSoftmax: KernelIn = plain({
  name: "logSoftmax",
  alwaysFloat32: ["sums"],
  operands: ["x", "sums", "y"],
  params: ["quads", "channels"],
  code: /* wgsl */ `
  let row = sums(plane / p.quads);
  put(i, zeroPadded(x(i) - row.x - logarithm(row.y), plane % p.quads, p.channels));`,
  functions: logarithm,
});
