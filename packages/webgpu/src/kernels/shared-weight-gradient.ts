import type { WeightGradientStrategy } from "../decide/weight-gradient.ts";
import { type KernelIn, kernelIn } from "./kernel.ts";
import { signature, weightProduct } from "./weight-product.ts";

/** Quads of outputs, columns, and pixels of a step, of a workgroup. */
const SIDE = 16;

/** Distance between rows in workgroup memory: one more than they have, so that rows begin in different banks. */
const ROW = SIDE + 1;

/**
 * The gradient of conv2d by its weight for GPUs. A workgroup of 16 × 16 computes 64 outputs at 16 columns. For each
 * slab of 16 pixels an invocation copies a vec4 of x and one of dy to workgroup memory (8.5 KiB), reads 32, and does
 * 256 multiply-adds, as conv2d does (shared-conv2d.ts). Neighbouring invocations copy neighbouring pixels.
 */
const kernel: KernelIn = kernelIn(
  { ...signature, name: "weight gradient in shared memory" },
  () => /* wgsl */ `var<workgroup> xs: array<vec4f, ${SIDE * ROW}>; // [columns][pixels]
var<workgroup> ys: array<vec4f, ${SIDE * ROW}>; // [quads of outputs][pixels]

@compute @workgroup_size(${SIDE}, ${SIDE})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_id) id: vec3u) {
  let plane = p.h * p.w; let yPlane = p.oh * p.ow;
  // what this invocation copies: pixel id.x of a slab
  let seen = group.x * ${4 * SIDE}u / p.outputsPerGroup * p.perGroup;
  let copied = min(group.y * ${SIDE}u + id.y, p.columns - 1u);
  let tap = copied / p.perGroup; let source = (seen + copied - tap * p.perGroup) * plane;
  let above = tap / p.kw * p.dilationH - p.top; let before = tap % p.kw * p.dilationW - p.left;
  let ySource = min(group.x * ${SIDE}u + id.y, p.yQuads - 1u) * yPlane;
  let first = group.z * p.part; let end = min(first + p.part, p.pixels);
  var sums: array<vec4f, 4>;
  for (var slab = first; slab < end; slab += ${SIDE}u) {
    let pixel = slab + id.x; let known = pixel < end;
    let image = quotient(pixel, yPlane); let inside = pixel - image * yPlane; let row = quotient(inside, p.ow);
    let q = row * p.down + above; let r = (inside - row * p.ow) * p.right + before;
    let isSeen = known && q < p.h && r < p.w;
    let at = source + image * p.xQuads * plane + q * p.w + r;
    xs[id.y * ${ROW}u + id.x] = select(vec4f(), x(select(0u, at, isSeen)), isSeen);
    let yAt = ySource + image * p.yQuads * yPlane + inside;
    ys[id.y * ${ROW}u + id.x] = select(vec4f(), dy(select(0u, yAt, known)), known);
    workgroupBarrier();
    for (var k = 0u; k < ${SIDE}u; k++) {
      let v = xs[id.x * ${ROW}u + k]; let g = ys[id.y * ${ROW}u + k];
      sums[0] += g.x * v; sums[1] += g.y * v; sums[2] += g.z * v; sums[3] += g.w * v;
    }
    workgroupBarrier();
  }
  let column = group.y * ${SIDE}u + id.x;
  for (var k = 0u; k < 4u; k++) {
    let o = (group.x * ${SIDE}u + id.y) * 4u + k;
    if (o < p.outputs && column < p.columns) { put((group.z * p.outputs + o) * p.columns + column, sums[k]); }
  }
}`,
);

export const sharedWeightGradient: WeightGradientStrategy = weightProduct({
  name: "weight gradient in shared memory",
  kernel,
  outputs: 4 * SIDE,
  columns: SIDE,
  pixels: SIDE,
  workgroups: 128,
  leastPixels: 16 * SIDE,
  stepCost: ({ load, fma, step, lanes }) => ((SIDE * SIDE) / lanes) * (step + 2 * load + 256 * fma),
});
