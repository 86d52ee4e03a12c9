import type { AnyNode, InputsOf, Lowering } from "@residual/core";
import { type Operand, sizesOf } from "../builder.ts";
import * as kernels from "../kernels/elementwise.ts";
import { batchNormInputGradient } from "../kernels/gradients.ts";
import type { Kernel } from "../kernels/kernel.ts";
import {
  batchMean,
  batchNormGradientSums,
  batchStatistics,
  batchVariance,
  channelSum,
  secondVector,
} from "../kernels/sums.ts";
import { type ImageLayout, layoutOf, quadsOf } from "../layout.ts";
import type { Context } from "./context.ts";
import { elementwise } from "./elementwise.ts";
import { isMeanOf } from "./fusions.ts";

/** y = norm(x), with the addition and the ReLU that follow it. `last` is the node that is computed. */
function norm(
  context: Context,
  last: AnyNode,
  { x, scale, shift, mean, variance }: InputsOf<"batchNorm", Operand>,
  { epsilon, residual, relu }: { readonly epsilon: number; readonly residual?: Operand; readonly relu: boolean },
): Operand {
  const inputs = [x, scale, shift, mean, variance, ...(residual ? [residual] : [])];
  return context.emit(last, inputs, ([from, perChannel, , , , added], y) =>
    kernels.batchNorm(from!, perChannel!, epsilon, y, { ...(added && { residual: added }), relu }),
  );
}

/** The value of a node that ends a fusion; undefined for other nodes. */
function fusedNorm(
  context: Context,
  last: AnyNode,
  inputs: { readonly [input: string]: Operand },
): Operand | undefined {
  const fused = context.fusions.norms.get(last);
  if (!fused) return undefined;
  const ofSum = fused.sum === last ? inputs : fused.sum && context.deferred(fused.sum);
  const residual = fused.residual && ofSum?.[fused.residual];
  const operands = context.deferred(fused.norm) as InputsOf<"batchNorm", Operand>;
  const { epsilon } = fused.norm.attributes;
  return norm(context, last, operands, { epsilon, relu: fused.relu, ...(residual && { residual }) });
}

/** Numbers of a channel, in all images. */
function channelSize({ shape }: Operand): number {
  const [n, , h, w] = shape as readonly number[];
  return n! * h! * w!;
}

/** Vectors [C] in quads, computed from images: the first is the value of the node, others follow it in memory. */
function vectors(
  context: Context,
  node: AnyNode,
  { images, given = [], count = 1 }: Sources,
  make: (layouts: readonly ImageLayout[]) => Kernel,
): Operand {
  const { builder } = context;
  const layouts = images.map((each) => context.quads(each));
  const reads = [
    ...images.map((each, at) => builder.in(each, layouts[at]!)),
    ...given.map((each) => builder.in(each, layoutOf(sizesOf(each.shape)))),
  ];
  const value = { shape: node.shape, layout: layoutOf(sizesOf(node.shape)) };
  return builder.emitSeveral(node.name, value, count, { kernel: make(layouts), reads, images: images[0]!.images });
}

interface Sources {
  readonly images: readonly Operand[];
  /** Vectors [C]. */
  readonly given?: readonly Operand[];
  /** Vectors that the kernel writes. */
  readonly count?: number;
}

/** The second of two vectors, as the value of a node. */
function second({ builder }: Context, node: AnyNode, both: Operand): Operand {
  const reads = [builder.in(both, both.layout)];
  return builder.emit(node.name, node.shape, both.layout, secondVector(quadsOf(both.layout)), reads);
}

type Rows = Pick<
  Lowering<Operand>,
  | "batchNorm"
  | "add"
  | "relu"
  | "channelSum"
  | "batchMean"
  | "batchVariance"
  | "batchNormScaleGradient"
  | "batchNormInputGradient"
>;

/** The rows of batch norms, in training too, and of the ops that are computed together with them. */
export function normRows(context: Context): Rows {
  const { fusions, shiftGradients } = context;
  const fusedOr = (node: AnyNode, inputs: { readonly [input: string]: Operand }, otherwise: () => Operand) =>
    fusions.inner.has(node) ? context.defer(node, inputs) : (fusedNorm(context, node, inputs) ?? otherwise());
  return {
    batchNorm: (node, inputs) =>
      fusedOr(node, inputs, () => norm(context, node, inputs, { ...node.attributes, relu: false })),
    add: (node, inputs) => fusedOr(node, inputs, () => elementwise(context, node, kernels.sum, [inputs.a, inputs.b])),
    relu: (node, inputs) =>
      fusedOr(node, inputs, () => context.emit(node, [inputs.x], ([from], y) => kernels.relu(from!, y))),
    channelSum(node, { x }) {
      const both = shiftGradients.get(node.inputs.x);
      if (both) return second(context, node, both);
      return vectors(context, node, { images: [x] }, ([layout]) => channelSum(layout!));
    },
    batchMean(node, { x }) {
      const sources = { images: [x], count: 2 };
      if (fusions.means.has(node)) return vectors(context, node, sources, ([layout]) => batchStatistics(layout!));
      return vectors(context, node, { images: [x] }, ([layout]) => batchMean(layout!, channelSize(x)));
    },
    batchVariance(node, { x, mean }) {
      if (fusions.means.has(node.inputs.mean) && isMeanOf(node.inputs.mean, node.inputs.x))
        return second(context, node, mean);
      const sources = { images: [x], given: [mean] };
      return vectors(context, node, sources, ([layout]) => batchVariance(layout!, channelSize(x)));
    },
    batchNormScaleGradient(node, { x, dy, mean, variance }) {
      const sources = { images: [x, dy], given: [mean, variance], count: 2 };
      const both = vectors(context, node, sources, ([from, slope]) =>
        batchNormGradientSums(from!, slope!, node.attributes.epsilon),
      );
      shiftGradients.set(node.inputs.dy, both);
      return both;
    },
    batchNormInputGradient(node, { x, dy, ...given }) {
      const { scale, mean, variance, scaleGradient, shiftGradient } = given;
      const inputs = [x, dy, scale, mean, variance, scaleGradient, shiftGradient];
      const { epsilon } = node.attributes;
      return context.emit(node, inputs, ([from, slope], y) =>
        batchNormInputGradient(from!, slope!, y, { epsilon, count: channelSize(x) }),
      );
    },
  };
}
