import { type Cost, costOf, epilogueCost } from "../decide/cost.ts";
import { type Layer, pixelsOf, quadsPerGroup, tapsOf } from "../decide/layer.ts";
import { type Strategy, trialOf } from "../decide/strategy.ts";
import { addends, epilogueOf, inWeightOrder } from "../lower/convolution.ts";
import { tapByTap, type WeightOrder } from "../lower/layout.ts";
import {
  epilogueParams,
  epilogueWgsl,
  type KernelIn,
  kernelIn,
  type Products,
  plain,
  productsIn,
  windowParams,
} from "./kernel.ts";
import { emitProduct, isDispatchable, type Product, productCost } from "./product.ts";
import { repack } from "./repack.ts";

/** Output channels, and pixels, of a workgroup. */
const SHARED = 64;

/** Quads of channels in workgroup memory at a time. */
const SLAB = 4;

const signature = {
  operands: ["x", "weight", "bias", "residual", "y"],
  params: [
    "pixels",
    "plane",
    "ow",
    "channels",
    "quads",
    ...windowParams,
    "xStep",
    "weightStep",
    "yStep",
    "splits",
    ...epilogueParams,
  ],
};

/**
 * conv2d as a matrix product, for GPUs. A workgroup of 16 × 16 computes 64 channels of 64 pixels, each invocation four
 * channels of four pixels. Slabs of 16 channels of x at a tap, with their weights, are copied to workgroup memory (8
 * KiB), so each number is loaded once for 64 outputs. For each slab an invocation copies 2 vec4, reads 32 vec4 from
 * workgroup memory, and does 256 multiply-adds.
 *
 * For 7 × 7 pixels of 512 channels there are 8 workgroups, fewer than a GPU's cores. So the slabs may be divided among
 * several workgroups along z (`splits`), whose sums `sumSplits` adds. Without splits the z axis runs over several
 * products, as in tiledConv2d.
 */
const text = (products?: Products) => {
  const { four: vec4, within } = productsIn(products);
  return /* wgsl */ `${epilogueWgsl}

var<workgroup> xs: array<${vec4}, ${SLAB * SHARED}>; // [fours][pixels], each four channels of x
var<workgroup> ws: array<${vec4}, ${4 * SLAB * (SHARED / 4)}>; // [channels of x][fours], each four outputs

@compute @workgroup_size(16, 16)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(local_invocation_id) id: vec3u,
  @builtin(local_invocation_index) index: u32,
) {
  let product = select(group.z, 0u, p.splits > 1u);
  // The pixel that this invocation copies.
  let mine = min(group.y * ${SHARED}u + index % ${SHARED}u, p.pixels - 1u); let part = index / ${SHARED}u;
  let image = quotient(mine, p.plane); let inside = mine - image * p.plane;
  let row = quotient(inside, p.ow); let column = inside - row * p.ow;
  let plane = p.h * p.w;
  let slabs = (p.xQuads + ${SLAB - 1}u) / ${SLAB}u;
  let all = p.kh * p.kw * slabs;
  let first = select(0u, group.z * all / p.splits, p.splits > 1u);
  let end = select(all, (group.z + 1u) * all / p.splits, p.splits > 1u);
  var sums: array<vec4f, 4>;
  for (var slab = first; slab < end; slab++) {
    let tap = slab / slabs; let quad = slab % slabs * ${SLAB}u;
    let q = row * p.down + tap / p.kw * p.dilationH - p.top;
    let r = column * p.right + tap % p.kw * p.dilationW - p.left;
    let seen = q < p.h && r < p.w && quad + part < p.xQuads;
    let source = product * p.xStep + (image * p.xQuads + quad + part) * plane + q * p.w + r;
    xs[index] = ${vec4}(select(vec4f(), x(select(0u, source, seen)), seen));
    let behind = (tap * p.xQuads + quad) * 4u + index / 16u;
    let known = quad + index / 64u < p.xQuads;
    let at = product * p.weightStep + (group.x * p.kh * p.kw * p.xQuads * 4u + behind) * 16u + index % 16u;
    ws[index] = ${vec4}(select(vec4f(), weight(select(0u, at, known)), known));
    workgroupBarrier();
    for (var k = 0u; k < ${SLAB}u; k++) {
      let w0 = ws[(k * 4u) * 16u + id.y]; let w1 = ws[(k * 4u + 1u) * 16u + id.y];
      let w2 = ws[(k * 4u + 2u) * 16u + id.y]; let w3 = ws[(k * 4u + 3u) * 16u + id.y];
      for (var n = 0u; n < 4u; n++) {
        let v = xs[k * ${SHARED}u + n * 16u + id.x];
        sums[n] += vec4f(w0 * v.x + w1 * v.y + w2 * v.z + w3 * v.w);
      }
    }
    workgroupBarrier();
  }
  let quad = group.x * 16u + id.y;
  for (var n = 0u; n < 4u; n++) {
    let pixel = group.y * ${SHARED}u + n * 16u + id.x;
    if (quad >= p.quads || pixel >= p.pixels) { continue; }
    let image = quotient(pixel, p.plane);
    let i = (image * p.quads + quad) * p.plane + pixel - image * p.plane;
    put(group.z * p.yStep + i, zeroPadded(epilogue(${within("sums[n]")}, quad, i), quad, p.channels));
  }
}`;
};

const nameOf = (products?: Products) => `conv2d in shared memory${productsIn(products).name}`;

/** A product that copies its operands through workgroup memory. Groups are not supported. */
export function inSharedMemory(products?: Products): Product {
  const name = nameOf(products);
  return product(
    name,
    kernelIn({ ...signature, name }, () => text(products)),
  );
}

function product(name: string, kernel: KernelIn): Product {
  return {
    name,
    kernel,
    channels: SHARED,
    pixels: SHARED,
    fits: ({ attributes: { groups } }) => groups === 1,
    cost: (layer, cost) => ((16 * 16) / cost.lanes) * (slabsOf(layer) * slabCost(cost) + epilogueCost(16, cost)),
    order: sharedOrder,
    trial: { outputs: SHARED + 4 },
  };
}

/** Steps of the loop: four quads of channels at a tap. */
function slabsOf(layer: Layer): number {
  return tapsOf(layer) * Math.ceil(quadsPerGroup(layer) / SLAB);
}

function slabCost({ load, fma, step }: Cost): number {
  return step + 2 * load + 256 * fma;
}

/** For few pixels: each block's sum is split into `splits` parts, which are stored in float32 and added afterwards. */
export function splitReduction(splits: number, products?: Products): Strategy {
  const name = `${nameOf(products)}, parts`;
  const parts = product(
    name,
    kernelIn({ ...signature, name, alwaysFloat32: ["y"] }, () => text(products)),
  );
  return {
    name: `${nameOf(products)}, ${splits} splits`,
    kernels: [parts.kernel, sumSplits],
    packing: repack,
    fits: (layer) => parts.fits(layer) && isDispatchable(parts, layer, { splits }) && splits <= slabsOf(layer),
    cost(layer, cost) {
      const sums = (pixelsOf(layer) * Math.ceil(layer.weight[0] / 4)) / cost.lanes;
      return productCost(parts, layer, cost, { splits }) + costOf(sums, splits * cost.load + cost.store, cost);
    },
    emit(builder, { node, layer, inputs }) {
      const weight = inWeightOrder(builder, inputs.weight, sharedOrder(inputs.weight.shape));
      const bare = { ...layer, hasBias: false, hasResidual: false, attributes: { ...layer.attributes, relu: false } };
      const ready = { x: builder.interleaved(inputs.x), weight };
      const sums = emitProduct(builder, parts, { node: `${node}, parts`, layer: bare, inputs: ready }, { splits });
      const [bias, residual] = addends(builder, inputs, sums);
      const params = { splits, ...epilogueOf(layer) };
      return builder.emit(node, sumSplits, [sums, bias, residual], layer.y, { params });
    },
    trial: trialOf(parts.trial),
  };
}

/** Adds the sums of all splits, and applies the convolution's epilogue. */
const sumSplits: KernelIn = plain({
  name: "sum of splits",
  alwaysFloat32: ["x"],
  operands: ["x", "bias", "residual", "y"],
  params: ["quads", "splits", ...epilogueParams],
  code: /* wgsl */ `
  var whole = vec4f();
  for (var split = 0u; split < p.splits; split++) { whole += x(split * p.planes * p.pixels + i); }
  put(i, epilogue(whole, plane % p.quads, i));`,
});

/** [O / 64][KH][KW][C][64], with C padded to a multiple of four. */
export function sharedOrder(shape: readonly number[]): WeightOrder {
  return tapByTap("for shared memory", shape, { block: SHARED, together: 1 });
}
