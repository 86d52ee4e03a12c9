import {
  type Graph,
  type ModelName,
  modelNameOf,
  modelNames,
  type NamedSource,
  parametersOf,
  permuteAxes,
  type ResNetSpec,
  resnet,
  ShapeError,
  UnsupportedError,
  variants,
} from "@residual/core";
import { withEpsilon } from "../epsilon.ts";
import { quote } from "../json-reader.ts";
import type { FollowedTensors } from "../layout.ts";
import { reshape } from "../reshape.ts";
import type { FileGraph } from "../weights.ts";
import { type Difference, type Followed, type FoundParameter, follow } from "./follow.ts";
import { isOp, type Network, namesInWords, type Unlike } from "./network.ts";

/** Tensors by their names. */
type Tensors = ReadonlyMap<string, NamedSource>;

/**
 * Renames tensors after the model that a file's graph computes. The metadata's `model` becomes this model. If no model
 * computes the same function, the tensors keep their names. `file` is the file's name in messages. `known` is the model
 * that the tensors are known to belong to.
 */
export function nameByGraph(
  network: Network | Unlike,
  file: string,
  tensors: Tensors,
  metadata: Readonly<Record<string, string>> = {},
  known?: string,
): FollowedTensors {
  const named = (graph: Graph, { parameters }: Followed): Tensors =>
    new Map(
      parametersOf(graph).flatMap(({ name }) => {
        const parameter = parameters.get(name); // a file may lack the last layer
        return parameter ? [[name, sourceOf(parameter, tensors, `${graph.name}: ${name}`)]] : [];
      }),
    );
  const leftOut = ({ left }: Followed) =>
    left.length === 0 ? [] : [`left out: output${left.length > 1 ? "s" : ""} ${namesInWords(left)} of ${file}`];
  const fit = (graph: Graph): ReturnType<FileGraph["fit"]> => {
    const found = "nodes" in network ? follow(graph, network) : network;
    if ("parameters" in found) return { tensors: named(graph, found), notes: leftOut(found) };
    throw new UnsupportedError(`${file}: its graph is not that of ${graph.name}: ${inWords(found)}`);
  };
  const recorded = metadata.model ?? metadata["residual.model"] ?? known;
  const { fits, mismatch } =
    "nodes" in network ? modelsOf(network, recorded) : { fits: [], mismatch: inWords(network) };
  const [best, ...others] = fits;
  const epsilon = "nodes" in network ? epsilonOf(network) : undefined;
  if (!best) return { tensors, metadata, notes: [], graph: { fit, mismatch, epsilon } };
  const alike = others.map(({ graph }) => graph.name).join(", ");
  return {
    tensors: named(best.graph, best.found),
    metadata: { ...metadata, model: best.graph.name },
    notes: [
      ...(alike === "" ? [] : [`the graph of ${file} is that of ${best.graph.name}, and of ${alike} as well`]),
      ...leftOut(best.found),
    ],
    graph: { fit, mismatch: undefined, epsilon },
  };
}

/** The epsilon of a network's norms, if all norms have the same. */
function epsilonOf({ nodes }: Network): number | undefined {
  const norms = nodes.filter((node) => isOp(node, "batchNorm"));
  const epsilon = norms[0]?.operation.epsilon;
  return norms.every(({ operation }) => operation.epsilon === epsilon) ? epsilon : undefined;
}

interface Fit {
  readonly name: ModelName;
  readonly graph: Graph;
  readonly found: Followed;
}

/** The models that compute the same function as the network, likeliest first; the reason if there are none. */
function modelsOf(network: Network, recorded = ""): { readonly fits: readonly Fit[]; readonly mismatch: string } {
  const convolutions = network.nodes.filter((node) => isOp(node, "conv2d")).length;
  const fits: Fit[] = [];
  let nearest: (Difference & { readonly model: string }) | undefined;
  for (const name of modelNames) {
    const graph = isNear(variants[name], convolutions) ? graphFor(network, name) : undefined;
    if (!graph) continue;
    const found = follow(graph, network);
    if ("parameters" in found) fits.push({ name, graph, found });
    else if (!nearest || found.followed > nearest.followed) nearest = { ...found, model: name };
  }
  return {
    fits: likeliest(fits, network, modelNameOf(recorded)),
    mismatch: nearest ? `${nearest.model} comes nearest: ${inWords(nearest)}` : countedWords(network, convolutions),
  };
}

/**
 * Chooses among models that compute the same function, and differ only in preprocessing. The recorded model wins.
 * Otherwise models with the file's epsilon, and with its number of classes, are preferred. If the file's images have
 * channels last, as in TensorFlow, Keras' rows come first.
 */
function likeliest(fits: readonly Fit[], network: Network, recorded: ModelName | undefined): readonly Fit[] {
  const { image } = network;
  const epsilon = epsilonOf(network);
  const known = fits.filter(({ name }) => name === recorded);
  if (known.length > 0) return known;
  const own = fits.filter(({ name }) => withEpsilon(variants[name], epsilon) === variants[name]);
  const classesOf = ({ name }: Fit) => (variants[name] as ResNetSpec).classes ?? 1000;
  const likely = own.length > 0 ? own : fits;
  const alike = likely.filter((fit) => fit.found.parameters.get("fc.weight")?.shape[0] === classesOf(fit));
  const isChannelsLast = isOp(image, "image") && image.operation.isChannelsLast;
  const isUnlikely = ({ name }: Fit) => Number(name.startsWith("keras_") !== isChannelsLast);
  return (alike.length > 0 ? alike : likely).toSorted((a, b) => isUnlikely(a) - isUnlikely(b));
}

function countedWords({ nodes }: Network, convolutions: number): string {
  const unknown = nodes.find((node) => isOp(node, "other"));
  const first = unknown ? `, and ${unknown.operator} ${quote(unknown.name)}, which no model has` : "";
  return `found ${convolutions} convolutions with numbers in the file${first}; expected as many as a model here has`;
}

/** Whether a model can have this number of convolutions. Graphs of other models are not built. */
function isNear({ depths, squeeze }: ResNetSpec, convolutions: number): boolean {
  const blocks = depths.reduce((sum, depth) => sum + depth, 0);
  // a block has two or three convolutions and a gate two more; a stem has at most three; a stage two besides its blocks
  const most = blocks * (squeeze === undefined ? 3 : 5) + 3 + 2 * depths.length;
  return convolutions >= 2 * blocks && convolutions <= most;
}

/** A model's graph for the network's images and epsilon; undefined if the model does not accept such images. */
function graphFor(network: Network, name: ModelName): Graph | undefined {
  const { image } = network;
  const row = withEpsilon(variants[name], epsilonOf(network));
  const { inputChannels = 3, size = 224 } = row;
  const [, channels = inputChannels, height = size, width = size] =
    (isOp(image, "image") && image.operation.shape) || [];
  try {
    return resnet(row, { name, input: ["N", channels, height, width] });
  } catch (error) {
    if (error instanceof ShapeError) return undefined;
    throw error;
  }
}

function inWords({ found, expected }: Unlike): string {
  return `found ${found}, expected ${expected}`;
}

/** The numbers of a parameter: a tensor of the file, permuted or reshaped. */
function sourceOf(parameter: FoundParameter, tensors: Tensors, what: string): NamedSource {
  if ("data" in parameter) return parameter;
  const { tensor, changes } = parameter;
  return changes.reduce<NamedSource>((source, change) => {
    if (source.dtype !== "float32" && source.dtype !== "float64")
      throw new UnsupportedError(`${what} is ${source.dtype}, expected float32`);
    if ("order" in change) return permuteAxes(source, change.order);
    return reshape(source, change.shape);
  }, tensors.get(tensor)!);
}
