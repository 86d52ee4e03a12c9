import { type AnyNode, type Graph, is, type Leaf, type Lowering, type Node, nodesOf, type Value } from "@residual/core";
import type { ModelBuilder } from "./model-builder.ts";
import { NodeBuilder } from "./node-builder.ts";

export type NormOp = "batchMean" | "batchVariance" | "batchNorm" | "batchNormScaleGradient" | "batchNormInputGradient";

/** The rows of batch norms, in training and otherwise. */
export function batchNormRows(model: ModelBuilder, graph: Graph): Required<Pick<Lowering<string>, NormOp>> {
  // onnxruntime's WebGPU: "BatchNormalization trainingMode is not supported yet."
  const norms = model.dialect === "webgpu" ? undefined : normsInTraining(graph);
  const computed = new Map<Value, string>();
  return {
    batchMean(node, { x }) {
      const norm = norms?.get(node);
      if (!norm) return model.emit("ReduceMean", node, [x], { axes: { ints: [0, 2, 3] }, keepdims: { int: 0 } });
      for (const [value, name] of normInTraining(model, norm, x)) computed.set(value, name);
      return computed.get(node)!;
    },
    batchVariance: (node, names) => computed.get(node) ?? batchVariance(model, node, names),
    batchNorm: (node, { x, scale, shift, mean, variance }) =>
      computed.get(node) ??
      model.emit("BatchNormalization", node, [x, scale, shift, mean, variance], {
        epsilon: { float: node.attributes.epsilon },
      }),
    batchNormScaleGradient: (node, names) => batchNormScaleGradient(model, node, names),
    batchNormInputGradient: (node, names) => batchNormInputGradient(model, node, names),
  };
}

/** A norm by the statistics of its own input. */
interface NormInTraining {
  readonly norm: AnyNode & Node<"batchNorm">;
  readonly scale: Leaf;
  readonly shift: Leaf;
  readonly variance: AnyNode;
}

/**
 * Batch norms in training, by their mean: onnxruntime computes the output, the mean and the variance in one operator.
 * Norms whose scale or shift is computed are not listed.
 */
function normsInTraining(graph: Graph): ReadonlyMap<Value, NormInTraining> {
  const found = new Map<Value, NormInTraining>();
  for (const norm of nodesOf(graph)) {
    if (!is(norm, "batchNorm")) continue;
    const { x, scale, shift, mean, variance } = norm.inputs;
    if (!is(mean, "batchMean") || !is(variance, "batchVariance") || found.has(mean)) continue;
    const isOfX = mean.inputs.x === x && variance.inputs.x === x && variance.inputs.mean === mean;
    if (!isOfX || scale.kind === "node" || shift.kind === "node") continue;
    found.set(mean, { norm, scale, shift, variance });
  }
  return found;
}

/** The names of a norm in training, its mean and its variance. */
function normInTraining(
  model: ModelBuilder,
  { norm, scale, shift, variance }: NormInTraining,
  x: string,
): ReadonlyMap<Value, string> {
  const outputs = [norm, norm.inputs.mean as AnyNode, variance];
  const names = model.emitAll(
    "BatchNormalization",
    outputs,
    [x, model.leaf(scale), model.leaf(shift), ...runningStatistics(model, norm, x)],
    { epsilon: { float: norm.attributes.epsilon }, momentum: { float: 0 }, training_mode: { int: 1 } },
  );
  return new Map(outputs.map((value, i) => [value, names[i]!]));
}

/**
 * Zeros as running mean and variance, of which momentum 0 keeps nothing. onnxruntime 1.30 writes mean and variance of
 * the batch over them, even over constants that other nodes read. So each norm has two vectors of its own, computed
 * from x by different operators, which no pass folds or merges.
 */
function runningStatistics(model: ModelBuilder, norm: AnyNode, x: string): readonly string[] {
  const at = new NodeBuilder(model, norm);
  const channels = norm.shape[1] as number;
  const pixel = at.slice("pixel", x, { axes: [0, 2, 3], starts: [0, 0, 0], ends: [1, 1, 1] });
  const vector = at.reshape("vector", pixel, [channels]);
  return [at.step("Sub", "no mean", [vector, vector]), at.step("Mul", "no variance", [vector, at.number("zero", 0)])];
}

/** The mean of (x − mean)². */
function batchVariance(
  model: ModelBuilder,
  node: AnyNode & Node<"batchVariance">,
  { x, mean }: { readonly x: string; readonly mean: string },
): string {
  const at = new NodeBuilder(model, node);
  const difference = at.step("Sub", "difference", [x, at.reshape("mean", mean, [1, node.shape[0] as number, 1, 1])]);
  const square = at.step("Mul", "square", [difference, difference]);
  return at.emit("ReduceMean", [square], { axes: { ints: [0, 2, 3] }, keepdims: { int: 0 } });
}

interface Normalized {
  readonly x: string;
  readonly mean: string;
  readonly variance: string;
}

/** (x − mean) / √(variance + epsilon), once for all nodes that need it. */
function normalized(model: ModelBuilder, node: AnyNode, { x, mean, variance }: Normalized, epsilon: number): string {
  return model.once(`normalized ${x} ${mean} ${variance} ${epsilon}`, () => {
    const channels = node.inputs.x!.shape[1] as number;
    const inputs = [x, model.fill(channels, 1), model.fill(channels, 0), mean, variance];
    return model.step("BatchNormalization", node, "normalized", inputs, { epsilon: { float: epsilon } });
  });
}

/** Σ dy · (x − mean) / √(variance + epsilon) for each channel. */
function batchNormScaleGradient(
  model: ModelBuilder,
  node: AnyNode & Node<"batchNormScaleGradient">,
  { dy, ...given }: Normalized & { readonly dy: string },
): string {
  const at = new NodeBuilder(model, node);
  const products = at.step("Mul", "products", [dy, normalized(model, node, given, node.attributes.epsilon)]);
  return at.emit("ReduceSum", [products, at.whole("axes", [0, 2, 3])], { keepdims: { int: 0 } });
}

interface InputGradientNames extends Normalized {
  readonly dy: string;
  readonly scale: string;
  readonly scaleGradient: string;
  readonly shiftGradient: string;
}

/**
 * scale · r · (dy − shiftGradient / M) − scale · r · scaleGradient / M · n, with n = (x − mean) · r and
 * r = 1 / √(variance + epsilon): one norm of dy, and a multiple of n for each channel.
 */
function batchNormInputGradient(
  model: ModelBuilder,
  node: AnyNode & Node<"batchNormInputGradient">,
  { dy, scale, scaleGradient, shiftGradient, ...given }: InputGradientNames,
): string {
  const at = new NodeBuilder(model, node);
  const { epsilon } = node.attributes;
  const [n, channels, h, w] = node.shape as readonly [number, number, number, number];
  const share = at.number("share", 1 / (n * h * w));
  const dyMean = at.step("Mul", "dy mean", [shiftGradient, share]);
  const own = at.step("BatchNormalization", "own", [dy, scale, model.fill(channels, 0), dyMean, given.variance], {
    epsilon: { float: epsilon },
  });
  const spread = at.step("Add", "spread", [given.variance, at.number("epsilon", epsilon)]);
  const total = at.step("Mul", "total", [scale, at.step("Mul", "mean product", [scaleGradient, share])]);
  const quotient = at.step("Div", "quotient", [total, at.step("Sqrt", "deviation", [spread])]);
  const gain = at.reshape("gain", quotient, [1, channels, 1, 1]);
  const ofX = at.step("Mul", "of x", [normalized(model, node, given, epsilon), gain]);
  return at.emit("Sub", [own, ofX]);
}
