import { type Graph, modelNameOf, type NamedSource, permuteAxes, UnsupportedError, WeightsError } from "@residual/core";
import { quote } from "./json-reader.ts";
import { isStray, underOnePrefix } from "./prefix.ts";
import type { Weights } from "./weights.ts";

/**
 * A tensor's name in torchvision's scheme, and how its axes are to be reordered: axis i of the result is axis order[i].
 */
interface Target {
  readonly name: string;
  readonly order?: readonly number[];
}

/** How one family of files names its tensors. */
interface Scheme {
  readonly name: string;
  /** Undefined for a name that the family does not have. */
  target(name: string): Target | undefined;
}

/**
 * `readWeights(source, { graph })` for weights that are read already, as where their metadata tell the model.
 *
 * Names as files in the wild have them become the graph's, which are torchvision's `state_dict` keys. The first scheme
 * that knows every name of the file is taken.
 *
 *   scheme        in the file                                        becomes
 *   keras-resnet8 conv2d_3/{kernel HWIO, bias}                       layer2.0.conv1.{weight OIHW, bias}
 *                 batch_normalization_3/{gamma, beta, moving_mean,   layer2.0.bn1.{weight, bias, running_mean,
 *                 moving_variance}                                   running_var}
 *                 dense/{kernel [in, out], bias}                     fc.{weight [out, in], bias}
 *   gluon-v2      batchnorm0, conv0, batchnorm1                      bn0, conv1, bn1
 *                 stage2_batchnorm4_{gamma, beta, running_mean,      layer2.1.bn2.{weight, bias, running_mean,
 *                 running_var}                                       running_var}
 *                 stage2_conv3_weight, stage2_conv4_weight           layer2.0.shortcut.weight, layer2.1.conv1.weight
 *   transformers  resnet.encoder.stages.0.layers.1.layer.2.          layer1.1.bn3.bias (see transformers-names.ts)
 *                 normalization.bias
 *   one prefix    module.model.X, backbone.X, … (see prefix.ts)      X
 *   a graph       any, of an .onnx file: see network/follow.ts       X
 *
 * Nothing is copied: a reordered tensor becomes a lazy source. Tensors that no parameter can be (counters, empty ones)
 * are left out, and `notes` says what else is. Throws WeightsError where two tensors would end up under one name, or
 * where two sets of weights fit alike; UnsupportedError for a tensor of the wrong rank.
 */
export function toTorchvision(weights: Weights, graph: Graph): Weights {
  const isNamed = weights.graph?.mismatch === undefined && modelNameOf(graph.name) === weights.model;
  if (weights.graph && !isNamed) return weights.withTensors(weights.graph.fit(graph));
  const entries = [...weights.tensors];
  const known = [kerasResNet8, gluonV2].find(
    (scheme) =>
      entries.some(([name]) => scheme.target(name)) &&
      entries.every(([name, tensor]) => scheme.target(name) || isStray(name, tensor)),
  );
  return known ? renamed(weights, known) : underOnePrefix(weights, graph);
}

function renamed(weights: Weights, scheme: Scheme): Weights {
  const tensors = new Map<string, NamedSource>();
  for (const [name, tensor] of weights.tensors) {
    const target = scheme.target(name);
    if (!target) continue; // a stray
    if (tensors.has(target.name)) {
      throw new WeightsError(
        `${scheme.name}: ${quote(name)} becomes ${quote(target.name)}, and so does another; rename one`,
      );
    }
    tensors.set(target.name, target.order ? reorder(name, tensor, target.order) : tensor);
  }
  return weights.withTensors(tensors);
}

/**
 * Keras counts layers as they are made; this is the order of MLPerf Tiny's `resnet_v1_eembc`, shortcuts last in a
 * block.
 */
const kerasConvs = [
  "conv1",
  "layer1.0.conv1",
  "layer1.0.conv2",
  "layer2.0.conv1",
  "layer2.0.conv2",
  "layer2.0.downsample.0",
  "layer3.0.conv1",
  "layer3.0.conv2",
  "layer3.0.downsample.0",
];
const kerasNorms = [
  "bn1",
  "layer1.0.bn1",
  "layer1.0.bn2",
  "layer2.0.bn1",
  "layer2.0.bn2",
  "layer3.0.bn1",
  "layer3.0.bn2",
];
const kerasLayers: ReadonlyMap<string, string> = new Map([
  ...kerasConvs.map((target, i) => [numbered("conv2d", i), target] as const),
  ...kerasNorms.map((target, i) => [numbered("batch_normalization", i), target] as const),
  ["dense", "fc"],
]);

const suffixes: ReadonlyMap<string, string> = new Map([
  ["kernel", "weight"],
  ["weight", "weight"],
  ["gamma", "weight"],
  ["bias", "bias"],
  ["beta", "bias"],
  ["moving_mean", "running_mean"],
  ["running_mean", "running_mean"],
  ["moving_variance", "running_var"],
  ["running_var", "running_var"],
]);

const oihwFromHwio = [3, 2, 0, 1];
const outInFromInOut = [1, 0];

const kerasResNet8: Scheme = {
  name: "keras-resnet8",
  target(name) {
    const [layer = "", variable = ""] = name.split("/");
    const [module, suffix] = [kerasLayers.get(layer), suffixes.get(variable)];
    if (!module || !suffix || name !== `${layer}/${variable}`) return undefined;
    const renamed = `${module}.${suffix}`;
    if (variable !== "kernel") return { name: renamed };
    return { name: renamed, order: layer === "dense" ? outInFromInOut : oihwFromHwio };
  },
};

function numbered(layer: string, index: number): string {
  return index === 0 ? layer : `${layer}_${index}`;
}

const gluonStem: ReadonlyMap<string, string> = new Map([
  ["batchnorm0", "bn0"],
  ["conv0", "conv1"],
  ["batchnorm1", "bn1"],
]);

/**
 * MXNet Gluon's resnet50_v2: three norms and three convs a block, and a conv more, numbered 3, for the first's
 * shortcut.
 */
const gluonV2: Scheme = {
  name: "gluon-v2",
  target(name) {
    const pattern =
      /^(?:stage([1-4])_)?((conv|batchnorm)(0|[1-9]\d{0,2}))_(weight|gamma|beta|running_mean|running_var)$/;
    const [, stage, layer, kind, index, variable] = pattern.exec(name) ?? [];
    if (!layer || !variable) return undefined;
    const inStage = kind === "conv" ? gluonConv(Number(index)) : gluonNorm(Number(index));
    const module = stage ? `layer${stage}.${inStage}` : gluonStem.get(layer);
    return module ? { name: `${module}.${suffixes.get(variable)}` } : undefined;
  },
};

function gluonConv(index: number): string {
  if (index === 3) return "0.shortcut";
  const counted = index < 3 ? index : index - 1;
  return `${Math.floor(counted / 3)}.conv${(counted % 3) + 1}`;
}

function gluonNorm(index: number): string {
  return `${Math.floor(index / 3)}.bn${(index % 3) + 1}`;
}

/** The source with its axes in another order. */
function reorder(name: string, source: NamedSource, order: readonly number[]): NamedSource {
  const { dtype, shape } = source;
  if (dtype === "float32" && shape.length === order.length) return permuteAxes(source, order);
  const found = shape.length > 8 ? `${dtype} of ${shape.length} axes` : `${dtype} [${shape.join(", ")}]`;
  const expected = `float32 of ${order.length} axes`;
  throw new UnsupportedError(`${quote(name)} is ${found}, expected ${expected}, which can be transposed`);
}
