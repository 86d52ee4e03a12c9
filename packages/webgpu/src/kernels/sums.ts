import { flat, type KernelIn, plain } from "./kernel.ts";

/**
 * Sums of a tensor's channels. Each part of a channel's sum takes every `imageParts`-th image and every
 * `pixelParts`-th pixel. The output has a pixel for each part; with one part it is the sum. All sums have a fixed
 * order, so results do not depend on the device's timing.
 */
export const channelSums: KernelIn = plain({
  name: "sums of channels",
  operands: ["x", "y"],
  alwaysFloat32: ["y"],
  params: ["quads", "images", "xPixels", "pixelParts", "imageParts"],
  code: /* wgsl */ `
  var sum = vec4f();
  for (var image = pixel / p.pixelParts; image < p.images; image += p.imageParts) {
    let start = (image * p.quads + plane) * p.xPixels;
    for (var at = pixel % p.pixelParts; at < p.xPixels; at += p.pixelParts) { sum += x(start + at); }
  }
  put(i, sum);`,
});

/** The last sum over the parts of each channel, times a factor: a vector in the host's order. */
export const sumOfParts: KernelIn = plain({
  name: "sum of parts",
  operands: ["x", "y"],
  alwaysFloat32: ["x"],
  host: ["y"],
  params: ["parts", "factor"],
  code: /* wgsl */ `
  var sum = vec4f();
  for (var part = 0u; part < p.parts; part++) { sum += x(plane * p.parts + part); }
  put(plane, bitcast<f32>(p.factor) * sum);`,
});

/** Elements of a row that one invocation sums. */
export const GROUP = 64;

/**
 * Sums along one axis in the host's order: [outer][count][inner] becomes [outer][groups][inner], a sum of up to 64
 * elements each.
 */
export const rowSumGroups: KernelIn = flat({
  name: "sums of groups",
  operands: ["x", "y"],
  numbers: ["x"],
  params: ["count", "inner", "groups", "size"],
  code: /* wgsl */ `
  var whole = vec4f();
  for (var part = 0u; part < 4u; part++) {
    let at = i * 4u + part;
    if (at >= p.size) { break; }
    let row = at / p.inner; let outer = row / p.groups; let first = row % p.groups * ${GROUP}u;
    var sum = 0.0;
    for (var j = first; j < min(first + ${GROUP}u, p.count); j++) {
      sum += x((outer * p.count + j) * p.inner + at % p.inner);
    }
    whole[part] = sum;
  }
  put(i, whole);`,
});

/** Σx² of a tensor in the host's order, in parts of four sums. Part k takes every `parts`-th vec4 from k on. */
export const squareSums: KernelIn = flat({
  name: "sums of squares",
  operands: ["x", "y"],
  params: ["parts", "size"],
  code: /* wgsl */ `
  var sum = vec4f();
  for (var at = i; at * 4u < p.size; at += p.parts) {
    let four = select(vec4f(), x(at), vec4u(0u, 1u, 2u, 3u) + 4u * at < vec4u(p.size));
    sum += four * four;
  }
  put(i, sum);`,
});

/** The sum of all numbers, whose count is a multiple of four, added to a total: a scalar. */
export const sumToTotal: KernelIn = flat({
  name: "sum to a total",
  operands: ["x", "total", "y"],
  params: ["parts", "hasTotal"],
  code: /* wgsl */ `
  var sum = vec4f();
  for (var part = 0u; part < p.parts; part++) { sum += x(part); }
  var all = (sum.x + sum.y) + (sum.z + sum.w);
  if (p.hasTotal == 1u) { all += total(0u).x; }
  put(0u, vec4f(all, 0.0, 0.0, 0.0));`,
});
