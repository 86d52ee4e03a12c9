import { type Cost, costOf } from "../decide/cost.ts";
import { hasWholeGroups, type Layer, pixelsOf, quadsPerGroup } from "../decide/layer.ts";
import { type Strategy, type Trial, trialOf } from "../decide/strategy.ts";
import type { Builder, Operand } from "../lower/builder.ts";
import { addends, type Convolution, epilogueOf, inWeightOrder, windowOf } from "../lower/convolution.ts";
import { layoutOf, type WeightOrder } from "../lower/layout.ts";
import { type KernelIn, MOST_WORKGROUPS } from "./kernel.ts";
import { repack } from "./repack.ts";

/** A kernel that computes a convolution as a matrix product, in blocks of outputs and pixels of all images. */
export interface Product {
  readonly name: string;
  readonly kernel: KernelIn;
  /** Output channels of a workgroup. */
  readonly channels: number;
  /** Output pixels of a workgroup. */
  readonly pixels: number;
  readonly fits: (layer: Layer) => boolean;
  /** Nanoseconds of a workgroup. */
  readonly cost: (layer: Layer, cost: Cost) => number;
  readonly order: (shape: readonly number[]) => WeightOrder;
  readonly trial: Partial<Trial>;
}

/** The z axis of a dispatch: several products (`positions`), or the parts of a sum (`splits`). */
interface Depth {
  readonly positions?: number;
  readonly splits?: number;
}

/** A strategy that computes a convolution by one product, without transforms. */
export function direct(product: Product): Strategy {
  const { name, kernel, fits, order, trial } = product;
  return {
    name,
    kernels: [kernel],
    packing: repack,
    fits: (layer) => fits(layer) && isDispatchable(product, layer),
    cost: (layer, cost) => productCost(product, layer, cost),
    emit(builder, { node, layer, inputs }) {
      const weight = inWeightOrder(builder, inputs.weight, order(inputs.weight.shape));
      const ready = { ...inputs, x: builder.interleaved(inputs.x), weight };
      return emitProduct(builder, product, { node, layer, inputs: ready });
    },
    trial: trialOf(trial),
  };
}

function workgroupsOf({ channels, pixels }: Product, layer: Layer, { positions = 1, splits = 1 }: Depth = {}) {
  const [outputs] = layer.weight;
  const [blocks, rows] = [Math.ceil(outputs / channels), Math.ceil(pixelsOf(layer) / pixels)];
  return [blocks, rows, Math.max(positions, splits)] as const;
}

export function isDispatchable(product: Product, layer: Layer, depth?: Depth): boolean {
  return hasWholeGroups(layer) && Math.max(...workgroupsOf(product, layer, depth)) <= MOST_WORKGROUPS;
}

/** Nanoseconds of a dispatch of products, plus the cost of the bytes of their weights. */
export function productCost(product: Product, layer: Layer, cost: Cost, depth: Depth = {}): number {
  const [x, y, z] = workgroupsOf(product, layer, depth);
  const [outputs, , kh, kw] = layer.weight;
  const bytes = 16 * kh * kw * quadsPerGroup(layer) * (depth.positions ?? 1) * outputs;
  return costOf(x * y * z, product.cost(layer, cost) / (depth.splits ?? 1), cost) + bytes * cost.byte;
}

/**
 * Emits the dispatch of a product. Operands are in the product's orders. `splits` needs a kernel that stores the parts
 * of its sums.
 */
export function emitProduct(
  builder: Builder,
  product: Product,
  { node, layer, inputs }: Convolution,
  depth: Depth = {},
): Operand {
  const { x, weight } = inputs;
  const { splits = 1 } = depth;
  const [n, outputs, oh, ow] = layer.y;
  const [bias, residual] = addends(builder, inputs, weight);
  const [pixels, perGroup, { quads: xQuads }] = [pixelsOf(layer), quadsPerGroup(layer), layoutOf(layer.x)];
  const quads = Math.ceil(outputs / 4);
  const workgroups = workgroupsOf(product, layer, depth);
  const params = {
    pixels,
    plane: oh * ow,
    perGroup,
    outputsPerGroup: outputs / layer.attributes.groups,
    quads,
    channels: outputs,
    xStep: pixels * xQuads,
    weightStep: workgroups[0] * perGroup * product.channels,
    splits,
    yStep: pixels * quads,
    ...windowOf(layer),
    ...epilogueOf(layer),
  };
  const shape = [workgroups[2] * n, outputs, oh, ow];
  const isFloat32 = splits > 1;
  return builder.emit(node, product.kernel, [x, weight, bias, residual], shape, { params, workgroups, isFloat32 });
}
