import { type Cost, costOf } from "../decide/cost.ts";
import { hasWholeBlocks, type Layer, pixelsOf, quadsPerGroup, tapsOf } from "../decide/layer.ts";
import type { WeightGradientStrategy } from "../decide/weight-gradient.ts";
import { windowOf } from "../lower/convolution.ts";
import { layoutOf } from "../lower/layout.ts";
import { type KernelIn, MOST_WORKGROUPS, plain, type Signature, windowParams } from "./kernel.ts";

/**
 * A kernel that computes the gradient of conv2d by its weight as the product dy · xᵀ, in blocks. Rows are outputs, a
 * column is four channels at a tap, and the sums run over the pixels of all images. Along z the pixels are divided into
 * parts, whose sums `sumWeightParts` adds: with few weights there would be fewer workgroups than cores.
 */
interface WeightProduct {
  readonly name: string;
  readonly kernel: KernelIn;
  /** Outputs of a workgroup, a multiple of 4. */
  readonly outputs: number;
  /** Columns of a workgroup. */
  readonly columns: number;
  /** Pixels of a step of its loop. */
  readonly pixels: number;
  /** Workgroups to divide a gradient among, at least, if its pixels are enough. */
  readonly workgroups: number;
  /** Pixels of a part, at least. */
  readonly leastPixels: number;
  /** Nanoseconds of a step. */
  readonly stepCost: (cost: Cost) => number;
}

/** Operands and params of a product's kernel; `y` gets its parts, [part][output][column]. */
export const signature: Omit<Signature, "name"> = {
  operands: ["x", "dy", "y"],
  alwaysFloat32: ["y"],
  params: [
    ...windowParams,
    "oh",
    "ow",
    "yQuads",
    "pixels",
    "part",
    "outputs",
    "columns",
    "perGroup",
    "outputsPerGroup",
  ],
};

/** Adds the parts of a weight's gradient, and writes them in the host's order. */
export const sumWeightParts: KernelIn = plain({
  name: "weight gradient, sum of parts",
  operands: ["x", "y"],
  alwaysFloat32: ["x"],
  host: ["y"],
  numbers: ["y"],
  params: ["parts", "quads", "channels", "taps"],
  code: /* wgsl */ `
  var sum = vec4f();
  for (var part = 0u; part < p.parts; part++) { sum += x(part * p.planes * p.pixels + i); }
  let tap = quotient(pixel, p.quads); let c = (pixel - tap * p.quads) * 4u;
  let start = (plane * p.channels + c) * p.taps + tap;
  put(start, sum.x);
  if (c + 1u < p.channels) { put(start + p.taps, sum.y); }
  if (c + 2u < p.channels) { put(start + 2u * p.taps, sum.z); }
  if (c + 3u < p.channels) { put(start + 3u * p.taps, sum.w); }`,
});

export function weightProduct({ name, kernel, ...product }: WeightProduct): WeightGradientStrategy {
  const columnsOf = (layer: Layer) => tapsOf(layer) * quadsPerGroup(layer);
  const blocksOf = (layer: Layer) =>
    [Math.ceil(layer.weight[0] / product.outputs), Math.ceil(columnsOf(layer) / product.columns)] as const;
  const partOf = (layer: Layer) => {
    const [x, y] = blocksOf(layer);
    const wanted = Math.ceil(product.workgroups / (x * y));
    const parts = Math.max(1, Math.min(wanted, Math.floor(pixelsOf(layer) / product.leastPixels)));
    return Math.ceil(pixelsOf(layer) / parts / product.pixels) * product.pixels;
  };
  const workgroupsOf = (layer: Layer) => {
    const [x, y] = blocksOf(layer);
    return [x, y, Math.ceil(pixelsOf(layer) / partOf(layer))] as const;
  };
  return {
    name,
    kernels: [kernel, sumWeightParts],
    outputs: product.outputs,
    fits: (layer) => hasWholeBlocks(layer, product.outputs) && Math.max(...workgroupsOf(layer)) <= MOST_WORKGROUPS,
    cost(layer, cost) {
      const { load, store, lanes } = cost;
      const [x, y, z] = workgroupsOf(layer);
      const each = (partOf(layer) / product.pixels) * product.stepCost(cost);
      const sums = (layer.weight[0] * columnsOf(layer)) / lanes;
      return costOf(x * y * z, each, cost) + costOf(sums, z * load + 4 * store, cost);
    },
    emit(builder, { node, layer, x, dy }) {
      const [outputs, channels] = layer.weight;
      const [workgroups, columns] = [workgroupsOf(layer), columnsOf(layer)];
      const [parts, perGroup] = [workgroups[2], quadsPerGroup(layer)];
      const sizes = { oh: layer.y[2], yQuads: layoutOf(layer.y).quads, pixels: pixelsOf(layer), part: partOf(layer) };
      const blocks = { outputs, columns, perGroup, outputsPerGroup: outputs / layer.attributes.groups };
      const inputs = [builder.interleaved(x), builder.interleaved(dy)];
      const sums = builder.emit(`${node}, parts`, kernel, inputs, [parts * outputs, 4, columns], {
        params: { ...windowOf(layer), ...sizes, ...blocks },
        workgroups,
        isFloat32: true,
      });
      return builder.emit(node, sumWeightParts, [sums], layer.weight, {
        params: { parts, quads: perGroup, channels, taps: tapsOf(layer) },
        grid: { images: outputs, channels: 4, quads: 1, pixels: columns },
        order: "host",
      });
    },
  };
}
