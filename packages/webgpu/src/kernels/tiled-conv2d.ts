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

/** How much of the output one workgroup works out: so many channels, of so many pixels for each of its lanes. */
export interface Tile extends Lanes {
  /** Output channels, a multiple of 4. */
  readonly channels: number;
  /** Output pixels of each lane. */
  readonly pixels: number;
  /** Of products, and of sums of four; float32 where not given. */
  readonly products?: Products;
}

/**
 * conv2d for adapters on which a load costs as much as 36 multiply-adds and memory of a workgroup is no cheaper
 * (software ones). A workgroup is a subgroup without barriers. Each lane keeps channels × pixels sums in registers. At
 * each step (four channels of x, a tap) it loads a vec4 of x for each pixel, and its part of the step's weights, which
 * the subgroup then broadcasts: a 32 × 7 tile of 8 lanes takes 11 loads for 896 multiply-adds a lane, where the plain
 * kernel takes 1792.
 *
 * What lavapipe makes of it, read in its machine code: a multiply-add is two instructions, and a sum that lives through
 * the loop is loaded, blended by the mask of active lanes and stored again at each step, three more for its four
 * multiply-adds. With loads from textures (kernel.ts) all that is 4,400 instructions a step, in 20 KiB of the 32 that
 * the instruction cache has: half as many steps of twice the size are slower.
 *
 * One loop runs over taps and channels: a loop within another one takes, each time that it is entered, as long as two
 * steps, since all sums are moved.
 *
 * Pixels count through all images. A tile lies within a group; x's channels of a group are whole fours. Along z there
 * may be many such products beside one another (`xStep`, `weightStep`, `yStep` apart), which is what Winograd's
 * algorithm asks for. Registers have to be variables of their own, so the text is generated; `program` is it.
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
  (
    n,
  ) => `    let q${n} = row${n} + a * p.dilationH; let r${n} = column${n} + b * p.dilationW; let in${n} = q${n} < p.h && r${n} < p.w;
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

/** From one product to the next, where there are several beside one another. */
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

/** A product of tiles. */
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

/** [O / channels][KH][KW][C / 4][channels][4], C filled up to fours. */
export function tileOrder(shape: readonly number[], { channels }: Tile): WeightOrder {
  return tapByTap(`in tiles of ${channels}`, shape, { block: channels, together: 4 });
}
