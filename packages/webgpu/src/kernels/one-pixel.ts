import { costOf, epilogueCost } from "../decide/cost.ts";
import { quadsPerGroup } from "../decide/layer.ts";
import { type Strategy, trialOf } from "../decide/strategy.ts";
import { addends, epilogueOf, inWeightOrder } from "../lower/convolution.ts";
import { layoutOf, tapByTap, type WeightOrder } from "../lower/layout.ts";
import { epilogueParams, epilogueWgsl, type KernelIn, kernelIn, MOST_WORKGROUPS } from "./kernel.ts";
import { repack } from "./repack.ts";

/** Invocations of a workgroup, each of which computes four outputs. */
const WIDTH = 8;

/**
 * A linear layer, or a 1 × 1 convolution of one pixel: a matrix times a vector. A lane sums four outputs. In each step
 * it loads 4 × 4 weights; each weight is loaded once. A tile of 56 pixels would waste 55 of them.
 */
const kernel: KernelIn = kernelIn(
  {
    name: "conv2d of one pixel",
    operands: ["x", "weight", "bias", "residual", "y"],
    params: ["xQuads", "quads", "channels", ...epilogueParams],
  },
  () => `${epilogueWgsl}
@compute @workgroup_size(${WIDTH})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let quad = group.x * ${WIDTH}u + lane;
  var at = (group.x * p.xQuads * ${WIDTH}u + lane) * 4u;
  var sums = vec4f();
  for (var c = 0u; c < p.xQuads; c++) {
    let v = x(group.y * p.xQuads + c);
    sums += v * mat4x4f(weight(at), weight(at + 1u), weight(at + 2u), weight(at + 3u));
    at += ${4 * WIDTH}u;
  }
  if (quad >= p.quads) { return; }
  let i = group.y * p.quads + quad;
  put(i, zeroPadded(epilogue(sums, quad, i), quad, p.channels));
}`,
);

export const onePixel: Strategy = {
  name: "one pixel",
  kernels: [kernel],
  packing: repack,
  fits({ x: [n, , h, w], weight: [, , kh, kw], y: [, , oh, ow], attributes: { groups } }) {
    return groups === 1 && n <= MOST_WORKGROUPS && Math.max(h, w, kh, kw, oh, ow) === 1;
  },
  cost(layer, cost) {
    const { step, load, fma, lanes } = cost;
    const workgroups = Math.ceil(layer.weight[0] / (4 * WIDTH)) * layer.x[0];
    const each = quadsPerGroup(layer) * (step + 5 * load + 16 * fma) + epilogueCost(4, cost);
    return costOf(workgroups, Math.max(1, WIDTH / lanes) * each, cost);
  },
  emit(builder, { node, layer, inputs }) {
    const weight = inWeightOrder(builder, inputs.weight, order(inputs.weight.shape));
    const x = builder.interleaved(inputs.x);
    const [bias, residual] = addends(builder, inputs, weight);
    const [n, channels] = layer.y;
    const params = { xQuads: layoutOf(layer.x).quads, quads: Math.ceil(channels / 4), channels, ...epilogueOf(layer) };
    const workgroups = [Math.ceil(channels / (4 * WIDTH)), n, 1] as const;
    return builder.emit(node, kernel, [x, weight, bias, residual], layer.y, { params, workgroups });
  },
  trial: trialOf({ outputs: 4 * WIDTH + 4, size: 1, window: 1, stride: 1 }),
};

/** [O / 32][C / 4][32][4], with O and C padded. */
function order(shape: readonly number[]): WeightOrder {
  return tapByTap("of one pixel", shape, { block: 4 * WIDTH, together: 4 });
}
