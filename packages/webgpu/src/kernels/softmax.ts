import { type KernelIn, plain } from "./kernel.ts";

/**
 * Of each row the maximum, Σ e^(x − maximum), and this sum without the maximum's own term, 1. The sum is near 1 for a
 * network that is sure of itself, where each of a thousand small terms would be rounded to 2⁻²⁴. One invocation per
 * row, so that a row is not read once per class.
 */
export const rowSums: KernelIn = plain({
  name: "rowSums",
  alwaysFloat32: ["y"],
  operands: ["x", "y"],
  numbers: ["x"],
  params: ["classes", "width"],
  code: /* wgsl */ `
  let start = plane * p.width;
  var largest = vec4f(x(start)); var winner = 0u;
  for (var k = 1u; k < p.classes; k++) {
    let seen = vec4f(x(start + k)); let next = larger(largest, seen);
    winner = select(winner, k, bitcast<u32>(next.x) != bitcast<u32>(largest.x));
    largest = next;
  }
  var others = 0.0;
  for (var first = 0u; first < p.classes; first += 32u) {
    var sum = 0.0;
    for (var k = first; k < min(first + 32u, p.classes); k++) { sum += select(exp(x(start + k) - largest.x), 0.0, k == winner); }
    others += sum;
  }
  put(i, vec4f(largest.x, exp(x(start + winner) - largest.x) + others, others, 0.0));`,
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
 * ln (1 + x) for x ≥ 0, to a few roundings. WGSL's own `log` may be off by 2⁻²¹, more than the loss of a network that
 * is sure of itself. With 1 + x = m·2ᵉ and m from √½ to √2, ln m = 2·artanh(s) for s = (m − 1) / (m + 1); the first
 * term left out is s¹¹ / 11 < 4e-10.
 */
const logarithm = /* wgsl */ `fn logarithmOf1Plus(x: f32) -> f32 {
  let over = bitcast<u32>(1.0 + x) - 0x3f3504f3u;
  let m = bitcast<f32>((over & 0x007fffffu) + 0x3f3504f3u);
  let s = select((m - 1.0) / (m + 1.0), x / (2.0 + x), over < 0x00800000u); let z = s * s;
  let series = z * (1.0 / 3.0 + z * (1.0 / 5.0 + z * (1.0 / 7.0 + z / 9.0)));
  return f32(over >> 23u) * 0.6931471805599453 + 2.0 * (s + s * series);
}`;

export const logSoftmax: KernelIn = plain({
  name: "logSoftmax",
  alwaysFloat32: ["sums"],
  operands: ["x", "sums", "y"],
  params: ["quads", "channels"],
  code: /* wgsl */ `
  let row = sums(plane / p.quads);
  let whole = select(x(i) - row.x - logarithmOf1Plus(row.z), vec4f(row.y), isNan(vec4f(row.y)));
  put(i, zeroPadded(whole, plane % p.quads, p.channels));`,
  functions: logarithm,
});
