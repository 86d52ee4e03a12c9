import {
  type Graph,
  modelNameOf,
  modelNames,
  type NamedSources,
  type Preprocessing,
  type ResNetSpec,
  readPreprocessing,
  resnet,
  select,
  variants,
} from "@residual/core";
import { counted, unknownName } from "@residual/kit/names";
import {
  checkLogits,
  type GivenWeights,
  type Identified,
  identify,
  OptionError,
  preprocessingOf,
} from "@residual/pipeline";
import { imagenet } from "@residual/vision";
import type { Metadata } from "@residual/weights";
import type { Dataset } from "../data/dataset.ts";
import { initialWeights } from "./initial-weights.ts";

/** A model's name, a row of your own, or a graph from `image` to `logits` whose parameters are open. */
export type TrainedModel = string | ResNetSpec | Graph<"image", "logits">;

export interface NetworkOptions {
  readonly model: TrainedModel;
  /** Where training begins. Default: random weights. */
  readonly weights?: GivenWeights | undefined;
  /** Changes to the preprocessing of the weights or the model. */
  readonly preprocessing?: Partial<Preprocessing> | undefined;
  readonly seed: number;
}

/** A network before training. */
export interface Network {
  /** With an open batch, and open parameters. */
  readonly graph: Graph<"image", "logits">;
  readonly weights: NamedSources;
  /** [C, H, W] */
  readonly input: readonly [number, number, number];
  /** Undefined if the examples are numbers that the network takes as they are. */
  readonly preprocessing: Preprocessing | undefined;
  /** What files of its weights say of it. */
  readonly metadata: Metadata;
  /** Messages for the user. */
  readonly notes: readonly string[];
}

/**
 * The network that a data set is to be learnt by, with as many classes as the data set has labels. Given weights keep
 * their last layer if they are of the same labels; else the last layer begins anew, from the seed.
 *
 * Throws OptionError if the network has no classes or another number of them, and as `identify` and `resnet` do.
 */
export async function networkOf(options: NetworkOptions, { labels, examples }: Dataset): Promise<Network> {
  const [example] = examples;
  const numbers = example && "tensor" in example.picture ? example.picture.tensor.shape : undefined;
  const { model: asked } = options;
  if (typeof asked === "object" && "inputs" in asked)
    return graphNetwork(asked, options, labels, numbers !== undefined);
  const { weights: source, preprocessing: changes } = options;
  const given =
    source === undefined ? undefined : await identify({ model: asked, weights: source, preprocessing: changes });
  const { spec: row, model: name, preprocessing: known } = given ?? rowOf(asked, changes);
  const spec: ResNetSpec = { ...row, classes: labels.length };
  const preprocessing = numbers ? undefined : (known ?? defaultPreprocessing(spec));
  const side = preprocessing?.crop;
  const input = (side === undefined ? numbers : [3, side, side]) as Network["input"];
  const open = resnet(spec, { name, input: ["N", ...input] });
  checkLogits(open);
  const graph = select(open, ["logits"]);
  const structure: Metadata = modelNameOf(name) === undefined ? { spec: JSON.stringify(spec) } : { model: name };
  const metadata = { ...structure, ...facts(preprocessing, labels) };
  const { weights, notes } = given ? withHead(given, graph, labels, options.seed) : fresh(graph, options.seed);
  return { graph, weights, input, preprocessing, notes, metadata };
}

function fresh(graph: Graph, seed: number): Pick<Network, "weights" | "notes"> {
  return { weights: initialWeights(graph, seed), notes: [] };
}

function facts(preprocessing: Preprocessing | undefined, labels: readonly string[]): Metadata {
  return {
    classes: JSON.stringify(labels),
    ...(preprocessing && { preprocessing: JSON.stringify(preprocessing) }),
  };
}

async function graphNetwork(
  graph: Graph<"image", "logits">,
  { weights, seed, preprocessing: given }: NetworkOptions,
  labels: readonly string[],
  areNumbers: boolean,
): Promise<Network> {
  const [, ...input] = graph.inputs.image.shape;
  const [, classes] = graph.outputs.logits.shape;
  if (classes !== labels.length)
    throw new OptionError(
      `${graph.name} has ${String(classes)} classes, and the data ${counted(labels.length, "label")}`,
    );
  if (weights !== undefined && !(typeof weights === "object" && weights !== null && "tensors" in weights))
    throw new OptionError("a graph takes its `weights` as named tensors, such as those of `readWeights`");
  const preprocessing = areNumbers || !given ? undefined : readPreprocessing(JSON.stringify(given));
  return {
    graph,
    weights: weights ?? initialWeights(graph, seed),
    input: input as unknown as Network["input"],
    preprocessing,
    metadata: facts(preprocessing, labels),
    notes: [],
  };
}

function rowOf(
  model: string | ResNetSpec,
  changes: Partial<Preprocessing> | undefined,
): Pick<Identified, "spec" | "model" | "preprocessing"> {
  if (typeof model !== "string")
    return { spec: model, model: "resnet", preprocessing: preprocessingOf(model, undefined, changes) };
  const known = modelNameOf(model);
  if (known === undefined) throw new OptionError(unknownName(model, modelNames, "model", "modelNames"));
  return { spec: variants[known], model, preprocessing: preprocessingOf(variants[known], undefined, changes) };
}

/** For a row that says nothing of it: any will do, as long as training and use have the same. */
function defaultPreprocessing({ size = 224 }: ResNetSpec): Preprocessing {
  const resize = size <= SMALL ? size : Math.round((size * 8) / 7); // torchvision crops 224 out of 256
  return { ...imagenet, resize, crop: size };
}

/** Pictures of at most this side have nothing to spare at their edges. */
const SMALL = 64;

/** The given weights, with a new last layer unless theirs is of the same labels. */
function withHead(
  given: Identified,
  graph: Graph,
  labels: readonly string[],
  seed: number,
): Pick<Network, "weights" | "notes"> {
  if (given.labels?.join("\n") === labels.join("\n")) return { weights: given, notes: given.notes };
  const isHead = (name: string) => name.startsWith("fc.");
  const trunk = [...given.tensors].filter(([name]) => !isHead(name));
  const head = initialWeights(graph, seed, isHead);
  const note = `the last layer begins anew, for ${counted(labels.length, "class", "classes")}`;
  return { weights: { tensors: new Map([...trunk, ...head.tensors]) }, notes: [...given.notes, note] };
}
