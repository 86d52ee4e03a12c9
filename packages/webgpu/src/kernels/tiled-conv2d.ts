import { epilogueCost } from "../decide/cost.ts";
import { hasWholeBlocks, quadsPerGroup, tapsOf } from "../decide/layer.ts";
import { tapByTap, type WeightOrder } from "../lower/layout.ts";
import {
  epilogueParams,
  epilogueWgsl,
  isTextures,
  type KernelIn,
  kernelIn,
  lines,
  type Memory,
  type Products,
  productsIn,
  tileEpilogue,
  windowParams,
} from "./kernel.ts";
import type { Product } from "./product.ts";
import { type Lanes, stepWeights } from "./step-weights.ts";

/** The part of the output that one workgroup computes. */
export interface Tile extends Lanes {
  /** Output channels, a multiple of 4. */
  readonly channels: number;
  /** Output pixels of each lane. */
  readonly pixels: number;
  /** The dtype of products, and of sums of four products. Default float32 */
  readonly products?: Products;
}

/**
 * conv2d for software adapters, on which a load takes as long as 36 multiply-adds, and workgroup memory is not faster.
 * A workgroup is one subgroup, without barriers. Each lane keeps channels × pixels sums in registers. A step covers
 * four channels of x at one tap of the kernel. In a step each lane loads a vec4 of x per pixel and its part of the
 * step's weights, and the subgroup broadcasts the weights. A 32 × 7 tile on 8 lanes takes 11 loads for 896
 * multiply-adds per lane; the plain kernel takes 1792 loads.
 *
 * In lavapipe's machine code a multiply-add is two instructions. A sum that lives through the loop is also loaded,
 * blended with the mask of active lanes and stored in each step: three more instructions for every four multiply-adds.
 * With loads from textures (kernel.ts) a step has 4,400 instructions in 20 KiB, and the instruction cache has 32 KiB.
 * Larger steps would leave the cache.
 *
 * Pixels are numbered through all images. A tile lies within a group, whose channels of x are a multiple of four. For
 * Winograd's algorithm the z axis runs over several products, at distances of `xStep`, `weightStep` and `yStep`. Each
 * register is a separate variable, so the text is generated; `program` has the result.
 */
function tiledConv2d(tile: Tile): KernelIn {
  const { lanes, channels, pixels, products } = tile;
  const { loads, first, apart, weight, name: lanesName } = stepWeights(channels, tile);
  const quads = channels / 4;
  const text = (memory: Memory) => {
    const { four, bank, plus, within } = productsIn(products, memory);
    return `${isTextures(memory) ? "" : epilogueWgsl}
fn placed(pixel: u32) -> u32 { return pixel + quotient(pixel, p.plane) * (p.quads - 1u) * p.plane; }

@compute @workgroup_size(${lanes})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let mine = group.y * ${lanes * pixels}u + lane;
  // the first channels of x that the tile sees
  let seen = group.x * ${channels}u / p.outputsPerGroup * p.perGroup; let plane = p.h * p.w;
${lines(
  pixels,
  (n) => `  let pixel${n} = min(mine + ${n * lanes}u, p.pixels - 1u); let image${n} = quotient(pixel${n}, p.plane);
  let down${n} = quotient(pixel${n} - image${n} * p.plane, p.ow); let right${n} = pixel${n} - image${n} * p.plane - down${n} * p.ow;
  let x${n} = group.z * p.xStep + (image${n} * p.xQuads + seen) * plane; let row${n} = down${n} * p.down - p.top; let column${n} = right${n} * p.right - p.left;`,
)}
${lines(quads, (q) => lines(pixels, (n) => `  var r${q}_${n} = vec4f();`))}
  var at = group.z * p.weightStep + group.x * p.kh * p.kw * p.perGroup * ${channels}u + ${first};
  var a = 0u; var b = 0u; var c = 0u;
  for (var step = p.kh * p.kw * p.perGroup; step > 0u; step--) {
${lines(
  pixels,
  (n) => `    let q${n} = row${n} + a * p.dilationH; let r${n} = column${n} + b * p.dilationW;
    let in${n} = q${n} < p.h && r${n} < p.w;
    let from${n} = x${n} + select(0u, q${n} * p.w + r${n}, in${n});`,
)}
    let next = c * plane;
${lines(loads, (j) => `    let w${j} = ${four}(weight(at + ${j * apart}u));`)}
${lines(pixels, (n) => `    let v${n} = ${four}(select(vec4f(), x(from${n} + next), in${n}));`)}
${lines(
  quads,
  (q) => `    { let m = ${bank([0, 1, 2, 3].map((k) => weight(4 * q + k)))};
${lines(pixels, (n) => `      r${q}_${n} = ${plus(`r${q}_${n}`, `v${n}`, "m")};`)} }`,
)}
    at += ${channels}u; c++;
    b = select(b, b + 1u, c == p.perGroup); c = select(c, 0u, c == p.perGroup);
    a = select(a, a + 1u, b == p.kw); b = select(b, 0u, b == p.kw);
  }
${products === "float16" ? lines(quads, (q) => lines(pixels, (n) => `  r${q}_${n} = ${within(`r${q}_${n}`)};`)) : ""}
  let first = group.x * ${quads}u; let start = group.z * p.yStep;
${tileEpilogue(
  {
    quads,
    pixels,
    at: (n) => `placed(mine + ${n} * ${lanes}u)`,
    known: (n) => `mine + ${n} * ${lanes}u < p.pixels`,
    plane: "p.plane",
  },
  memory,
)}
}`;
  };
  const { name } = productsIn(products);
  return kernelIn({ ...signature, name: `conv2d ${channels}×${pixels} on ${lanes} lanes${lanesName}${name}` }, text);
}

/** Distances between consecutive products, for Winograd's algorithm. */
const steps = ["xStep", "weightStep", "yStep"];

const signature = {
  operands: ["x", "weight", "bias", "residual", "y"],
  params: [
    "pixels",
    "plane",
    "ow",
    "quads",
    ...windowParams,
    "perGroup",
    "outputsPerGroup",
    ...steps,
    ...epilogueParams,
  ],
};

/** The tiled kernel as a candidate, with its cost. */
export function tiled(tile: Tile): Product {
  const { lanes, channels, pixels, products } = tile;
  const weights = stepWeights(channels, tile);
  return {
    name: `${channels}×${pixels} on ${lanes} lanes${weights.name}${productsIn(products).name}`,
    kernel: tiledConv2d(tile),
    channels,
    pixels: lanes * pixels,
    fits: (layer) => hasWholeBlocks(layer, channels),
    cost(layer, cost) {
      const { load, broadcast, fma, keep } = cost;
      const multiplyAdds = channels * pixels * (4 * fma + keep);
      const step = cost.step + (pixels + weights.loads) * load + 4 * weights.broadcasts * broadcast + multiplyAdds;
      return tapsOf(layer) * quadsPerGroup(layer) * step + epilogueCost(channels * pixels, cost);
    },
    order: (shape) => tileOrder(shape, tile),
    trial: { outputs: channels + 4 },
  };
}

/** [O / channels][KH][KW][C / 4][channels][4], with C padded to a multiple of four. */
export function tileOrder(shape: readonly number[], { channels }: Tile): WeightOrder {
  return tapByTap(`in tiles of ${channels}`, shape, { block: channels, together: 4 });
}
