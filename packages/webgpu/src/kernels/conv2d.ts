import { type Cost, costOf } from "../decide/cost.ts";
import { type Layer, tapsOf } from "../decide/layer.ts";
import type { Strategy } from "../decide/strategy.ts";
import type { Builder, Operand } from "../lower/builder.ts";
import { addends, type Convolution, epilogueOf, windowOf } from "../lower/convolution.ts";
import { layoutOf } from "../lower/layout.ts";
import { epilogueParams, type KernelIn, plain, WORKGROUP, windowParams } from "./kernel.ts";
import { pack } from "./order.ts";

/**
 * relu(conv2d(x, weight) + bias + residual), four outputs per invocation: KH·KW·C/groups multiply-adds for each output,
 * each with two loads. On software adapters loads limit the speed: about 0.6 GFLOP/s per core. The results of faster
 * kernels are checked against this kernel's. It supports layers that faster kernels do not: weights computed by the
 * graph, groups of any size.
 */
const conv2d: KernelIn = plain({
  name: "conv2d",
  operands: ["x", "weight", "bias", "residual", "y"],
  numbers: ["x", "weight", "bias"],
  params: ["quads", "channels", "ow", ...windowParams, "perGroup", "weightQuads", "outputsPerGroup", ...epilogueParams],
  code: /* wgsl */ `
  let column = pixel % p.ow; let row = pixel / p.ow; let image = plane / p.quads; let quad = plane % p.quads;
  var sums = vec4f();
  for (var part = 0u; part < 4u; part++) {
    let channel = quad * 4u + part;
    if (channel >= p.channels) { break; }
    let first = channel / p.outputsPerGroup * p.perGroup;
    var sum = 0.0;
    if (p.hasBias == 1u) { sum = bias(channel); }
    for (var a = 0u; a < p.kh; a++) {
      let at = row * p.down + a * p.dilationH - p.top; // wraps above the image
      if (at >= p.h) { continue; }
      for (var b = 0u; b < p.kw; b++) {
        let q = column * p.right + b * p.dilationW - p.left;
        if (q >= p.w) { continue; }
        for (var k = 0u; k < p.perGroup; k++) {
          let c = first + k;
          let here = (((image * p.xQuads + c / 4u) * p.h + at) * p.w + q) * 4u + c % 4u;
          let tap = (((channel * p.weightQuads + k / 4u) * p.kh + a) * p.kw + b) * 4u + k % 4u;
          sum += x(here) * weight(tap);
        }
      }
    }
    sums[part] = sum;
  }
  if (p.hasResidual == 1u) { sums += residual(i); }
  if (p.relu == 1u) { sums = rectified(sums); }
  put(i, sums);`,
});

/** Supports every layer. */
export const plainStrategy: Strategy = {
  name: "plain",
  kernels: [conv2d],
  packing: pack,
  fits: () => true,
  cost(layer, cost) {
    const each = 4 * tapsOf(layer) * layer.weight[1] * (cost.step + 2 * cost.load + cost.fma);
    return costOf(subgroupsPerQuad(layer, cost), each, cost);
  },
  emit(builder, convolution) {
    const weight = builder.interleaved(convolution.inputs.weight);
    const [, perGroup] = convolution.layer.weight;
    return emitPerQuad(builder, convolution, { kernel: conv2d, weight, perGroup });
  },
};

/** Number of subgroups of a kernel with one invocation per four outputs of a pixel. */
export function subgroupsPerQuad({ y }: Layer, { lanes }: Cost): number {
  const { images, quads, pixels } = layoutOf(y);
  return (images * quads * Math.ceil(pixels / WORKGROUP) * WORKGROUP) / lanes;
}

interface PerQuad {
  readonly kernel: KernelIn;
  readonly weight: Operand;
  /** Channels of x, or quads of channels, that an output depends on. */
  readonly perGroup: number;
}

/** Emits a kernel with one invocation per four outputs of a pixel. */
export function emitPerQuad(
  builder: Builder,
  { node, layer, inputs }: Convolution,
  { kernel, weight, perGroup }: PerQuad,
): Operand {
  const x = builder.interleaved(inputs.x);
  const [bias, residual] = addends(builder, inputs, weight);
  const outputsPerGroup = layer.weight[0] / layer.attributes.groups;
  const weightQuads = layoutOf(layer.weight).quads;
  const params = { perGroup, weightQuads, outputsPerGroup, ...windowOf(layer), ...epilogueOf(layer) };
  return builder.emit(node, kernel, [x, weight, bias, residual], layer.y, { params });
}
