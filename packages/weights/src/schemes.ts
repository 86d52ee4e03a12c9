import { type Graph, modelNameOf, type NamedSource, permuteAxes, UnsupportedError, WeightsError } from "@residual/core";
import { countedLayers } from "./counted-layers.ts";
import { type FileVariable, type NamePattern, renderName, variableOf } from "./file-names.ts";
import { quote } from "./json-reader.ts";
import { isStray, underOnePrefix, withoutWrappers } from "./prefix.ts";
import { transformersPatterns } from "./transformers-names.ts";
import type { Weights } from "./weights.ts";

/** A naming scheme of a family of files. */
interface Scheme {
  readonly name: string;
  /** Matches the name of a tensor that every file of the family has. */
  readonly tell: RegExp;
  /** Patterns of layer names with their torchvision modules. The first match counts. */
  readonly layers?: readonly NamePattern[];
  /** The order in which layers are numbered, for schemes with numbered layers. */
  readonly counted?: "as built" | "by depth";
  /** Matches the models whose files use the scheme. Undefined if all models' files may use it. */
  readonly models?: RegExp;
}

/**
 * The naming schemes other than torchvision's. Sources: keras-team/keras (commit 3422977a), applications/resnet.py,
 * resnet_v2.py, saving/saving_lib.py; fchollet/deep-learning-models (134615aa), resnet50.py; Apache MXNet,
 * gluon/model_zoo/vision/resnet.py; huggingface/transformers (00cbbe53), models/resnet/modeling_resnet.py;
 * kuangliu/pytorch-cifar (49b7aa97), models/resnet.py.
 */
const schemes: readonly Scheme[] = [
  {
    name: "keras-v2",
    tell: /(^|\/)conv2_block1_preact_bn\//,
    models: /^keras_resnet\d+v2$/,
    layers: [
      [/^conv(?<stage>[2-5])_block(?<block>\d{1,3})_0_conv$/, "layer{stage-1}.{block-1}.downsample.0"],
      [/^conv(?<stage>[2-5])_block(?<block>\d{1,3})_(?<i>[1-3])_conv$/, "layer{stage-1}.{block-1}.conv{i}"],
      [/^conv(?<stage>[2-5])_block(?<block>\d{1,3})_preact_bn$/, "layer{stage-1}.{block-1}.bn1"],
      [/^conv(?<stage>[2-5])_block(?<block>\d{1,3})_(?<i>[12])_bn$/, "layer{stage-1}.{block-1}.bn{i+1}"],
      [/^conv1_conv$/, "conv1"],
      [/^post_bn$/, "bn"],
      [/^(predictions|probs)$/, "fc"],
    ],
  },
  {
    name: "keras",
    tell: /(^|\/)conv2_block1_1_conv\//,
    models: /^keras_resnet\d+$/,
    layers: [
      [/^conv(?<stage>[2-5])_block(?<block>\d{1,3})_0_conv$/, "layer{stage-1}.{block-1}.downsample.0"],
      [/^conv(?<stage>[2-5])_block(?<block>\d{1,3})_0_bn$/, "layer{stage-1}.{block-1}.downsample.1"],
      [
        /^conv(?<stage>[2-5])_block(?<block>\d{1,3})_(?<i>[1-3])_(?<kind>conv|bn)$/,
        "layer{stage-1}.{block-1}.{kind}{i}",
      ],
      [/^conv1_(?<kind>conv|bn)$/, "{kind}1"],
      [/^(predictions|probs)$/, "fc"],
    ],
  },
  {
    name: "keras-2016",
    tell: /(^|\/)res2a_branch2a(\/|_W)/,
    models: /^keras_resnet50_v02$/,
    layers: [
      [/^res(?<stage>[2-5])(?<block>[a-z])_branch1$/, "layer{stage-1}.{block}.downsample.0"],
      [/^bn(?<stage>[2-5])(?<block>[a-z])_branch1$/, "layer{stage-1}.{block}.downsample.1"],
      [/^res(?<stage>[2-5])(?<block>[a-z])_branch2(?<i>[abc])$/, "layer{stage-1}.{block}.conv{i+1}"],
      [/^bn(?<stage>[2-5])(?<block>[a-z])_branch2(?<i>[abc])$/, "layer{stage-1}.{block}.bn{i+1}"],
      [/^conv1$/, "conv1"],
      [/^bn_conv1$/, "bn1"],
      [/^fc1000$/, "fc"],
    ],
  },
  {
    name: "keras-numbered",
    tell: /(^|\/)conv2d(_\d+)?\/(conv2d(_\d+)?\/)?(kernel(:0)?|vars\/0)$/,
    models: /^(keras|mlperf)_/,
    counted: "by depth",
  },
  {
    name: "gluon",
    tell: /(^|_)stage1_conv0_weight$/,
    models: /^(resnet(18|34|\d+v2)(_trunk)?|mxnet_resnet\d+_v1)$/,
    counted: "as built",
  },
  {
    name: "transformers",
    tell: /(^|\.)encoder\.stages\.0\.layers\.0\.layer\.0\.convolution\./,
    layers: transformersPatterns,
  },
  {
    name: "pytorch-cifar",
    tell: /(^|\.)layer[1-4]\.\d{1,3}\.shortcut\.0\.weight$/,
    layers: [
      [
        /(?<=^|\.)layer(?<stage>[1-4])\.(?<block>\d{1,3})\.shortcut\.(?<i>[01])$/,
        "layer{stage}.{block}.downsample.{i}",
      ],
    ],
  },
];

/** The scheme of the names in a file; undefined for torchvision's scheme. */
function schemeFor(weights: Weights): Scheme | undefined {
  const names = [...weights.tensors.keys()].map(withoutWrappers);
  return schemes.find(({ tell }) => names.some((name) => tell.test(name)));
}

/** The naming scheme of a file, found without a graph. */
export interface NamingScheme {
  /** `torchvision` (also timm's scheme), or another scheme in docs/weights-names.md. */
  readonly name: string;
  /** Matches the models whose files use the scheme. Undefined if all models' files may use it. */
  readonly models: RegExp | undefined;
  /**
   * Shapes by torchvision's names, prefixes included. Undefined if layers are numbered, because names then need a
   * graph.
   */
  readonly shapes: ReadonlyMap<string, readonly number[]> | undefined;
}

/** The naming scheme of weights as stored. Throws WeightsError if two tensors get the same name. */
export function namingScheme(weights: Weights): NamingScheme {
  const scheme = schemeFor(weights);
  const { tensors } = scheme && !scheme.counted ? renamed(weights, scheme) : weights;
  const shapes = scheme?.counted
    ? undefined
    : new Map([...tensors].map(([name, { shape }]) => [withoutWrappers(name), shape] as const));
  return { name: scheme?.name ?? "torchvision", models: scheme?.models, shapes };
}

/**
 * Gives the tensors the names of a graph, as `readWeights(source, { graph })` does. For weights that are already read,
 * such as when their metadata determine the model.
 *
 * The graph's names are torchvision's `state_dict` keys. The name of one tensor, which every file of a scheme has,
 * identifies the scheme; docs/weights-names.md lists the schemes. Names that the scheme does not know stay the same.
 * Then the prefix of the graph's parameters is removed, and a last layer of another name gets the graph's (see
 * prefix.ts). If the file has a graph, its names are the exporter's; parameters are found by following both graphs
 * instead (see network/follow.ts).
 *
 * No numbers are copied: a reordered tensor becomes a lazy source. Tensors that cannot be parameters (counters, empty
 * tensors) are left out; `notes` lists other tensors that are left out. Throws WeightsError if two tensors would get
 * the same name, or if two sets of weights fit; UnsupportedError for a tensor of the wrong rank.
 */
export function toTorchvision(weights: Weights, graph: Graph): Weights {
  const isNamed = weights.graph?.mismatch === undefined && modelNameOf(graph.name) === weights.model;
  if (weights.graph && !isNamed) {
    const { tensors, notes } = weights.graph.fit(graph);
    return weights.withTensors(tensors, notes);
  }
  const scheme = schemeFor(weights);
  return underOnePrefix(scheme ? renamed(weights, scheme, graph) : weights, graph);
}

function renamed(weights: Weights, scheme: Scheme, graph?: Graph): Weights {
  const variables = new Map<string, FileVariable | undefined>();
  for (const [name, { shape }] of weights.tensors) variables.set(name, variableOf(withoutWrappers(name), shape.length));
  const moduleOf = modulesOf(scheme, [...variables.values()], graph);
  const tensors = new Map<string, NamedSource>();
  const optimizer: string[] = [];
  for (const [name, tensor] of weights.tensors) {
    if (/^(optimizer|training|_?optimizer_weights)\//.test(name)) {
      optimizer.push(name);
      continue;
    }
    const variable = variables.get(name);
    const target = variable ? `${moduleOf(variable.layer) ?? variable.layer}.${variable.field}` : name;
    if (tensors.has(target)) {
      if (isStray(name, tensor)) continue;
      throw new WeightsError(
        `${scheme.name}: ${quote(name)} becomes ${quote(target)}, and so does another; rename one`,
      );
    }
    tensors.set(target, variable?.order ? reorder(name, tensor, variable.order) : tensor);
  }
  const count = optimizer.length === 1 ? "1 tensor" : `${optimizer.length} tensors`;
  const note = `left out: ${count} of an optimizer, ${quote(optimizer[0] ?? "")}${optimizer.length > 1 ? ", …" : ""}`;
  return weights.withTensors(tensors, optimizer.length > 0 ? [note] : []);
}

/**
 * Returns a function that maps a layer's name in the file to its module; undefined for a layer that the scheme does not
 * know.
 */
function modulesOf(
  { layers = [], counted }: Scheme,
  variables: readonly (FileVariable | undefined)[],
  graph: Graph | undefined,
): (layer: string) => string | undefined {
  if (!counted)
    return (layer) => layers.map((pattern) => renderName(pattern, layer)).find((name) => name !== undefined);
  const names = new Set(variables.flatMap((variable) => (variable ? [variable.layer] : [])));
  const modules = graph ? countedLayers(names, graph, counted) : new Map<string, string>();
  return (layer) => modules.get(layer);
}

/** Permutes the axes of a source. */
function reorder(name: string, source: NamedSource, order: readonly number[]): NamedSource {
  const { dtype, shape } = source;
  const isReal = dtype === "float32" || dtype === "float64";
  if (isReal && shape.length === order.length) return permuteAxes(source, order);
  const found = shape.length > 8 ? `${dtype} of ${shape.length} axes` : `${dtype} [${shape.join(", ")}]`;
  const expected = `float32 of ${order.length} axes`;
  throw new UnsupportedError(`${quote(name)} is ${found}, expected ${expected}, which can be transposed`);
}
