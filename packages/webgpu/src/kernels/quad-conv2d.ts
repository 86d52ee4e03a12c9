import { costOf } from "../decide/cost.ts";
import { hasWholeGroups, quadsPerGroup, tapsOf } from "../decide/layer.ts";
import { type Strategy, trialOf } from "../decide/strategy.ts";
import { inWeightOrder } from "../lower/convolution.ts";
import { tapByTap, type WeightOrder } from "../lower/layout.ts";
import { emitPerQuad, subgroupsPerQuad } from "./conv2d.ts";
import { epilogueParams, type KernelIn, plain, windowParams } from "./kernel.ts";
import { repack } from "./repack.ts";

/**
 * conv2d four channels at a time. An invocation computes four outputs of a pixel. For four channels of x at a tap it
 * loads one vec4 of x and four of weights for 16 multiply-adds; the plain kernel takes 32 loads. Needs neither
 * subgroups nor shared memory.
 *
 * Used for groups on GPUs: ResNeXt's groups have 4 to 32 channels, too few for a tile of 64. All invocations of a
 * workgroup read the same weights: 9 vec4 per output for a 3 × 3 window of 4 channels.
 */
const quadConv2d: KernelIn = plain({
  name: "conv2d in fours",
  operands: ["x", "weight", "bias", "residual", "y"],
  params: ["quads", "channels", "ow", ...windowParams, "perGroup", "outputsPerGroup", ...epilogueParams],
  code: /* wgsl */ `
  let row = quotient(pixel, p.ow); let column = pixel - row * p.ow; let image = plane / p.quads; let quad = plane % p.quads;
  let first = image * p.xQuads + quad * 4u / p.outputsPerGroup * p.perGroup;
  var sums = vec4f();
  for (var a = 0u; a < p.kh; a++) {
    let at = row * p.down + a * p.dilationH - p.top; // wraps above the image
    if (at >= p.h) { continue; }
    for (var b = 0u; b < p.kw; b++) {
      let q = column * p.right + b * p.dilationW - p.left;
      if (q >= p.w) { continue; }
      var source = (first * p.h + at) * p.w + q;
      var tap = ((quad * p.kh + a) * p.kw + b) * p.perGroup * 4u;
      for (var k = 0u; k < p.perGroup; k++) {
        let v = x(source);
        sums += vec4f(dot(weight(tap), v), dot(weight(tap + 1u), v), dot(weight(tap + 2u), v), dot(weight(tap + 3u), v));
        source += p.h * p.w; tap += 4u;
      }
    }
  }
  put(i, zeroPadded(epilogue(sums, quad, i), quad, p.channels));`,
});

/** Supports layers whose groups have a multiple of four channels. */
export const quadStrategy: Strategy = {
  name: "conv2d in fours",
  kernels: [quadConv2d],
  packing: repack,
  fits: hasWholeGroups,
  cost(layer, cost) {
    const steps = tapsOf(layer) * quadsPerGroup(layer);
    const each = steps * (cost.step + 5 * cost.load + 16 * cost.fma) + 2 * cost.load + cost.store;
    return costOf(subgroupsPerQuad(layer, cost), each, cost);
  },
  emit(builder, convolution) {
    const { layer, inputs } = convolution;
    const weight = inWeightOrder(builder, inputs.weight, quadOrder(inputs.weight.shape));
    return emitPerQuad(builder, convolution, { kernel: quadConv2d, weight, perGroup: quadsPerGroup(layer) });
  },
  trial: trialOf({}),
};

/** [O / 4][KH][KW][C / 4][4][4], with C padded to a multiple of four. */
export function quadOrder(shape: readonly number[]): WeightOrder {
  return tapByTap("in fours", shape, { block: 4, together: 4 });
}
