import {
  concatenateRows,
  type Graph,
  is,
  isTensor,
  modelNameOf,
  type NamedSource,
  nodesOf,
  parametersOf,
  permuteAxes,
  type RealTensor,
  resnet,
  type Source,
  scaleRows,
  shortList,
  sizeOf,
  tensorOf,
  UnsupportedError,
  type Value,
  variants,
  WeightsError,
} from "@residual/core";
import { withEpsilon } from "../epsilon.ts";
import { quote } from "../json-reader.ts";
import type { FollowedTensors } from "../layout.ts";
import { identityNorm } from "../network/follow.ts";
import { reshape } from "../reshape.ts";

type Tensors = ReadonlyMap<string, NamedSource>;

/**
 * Names the weights of a graph model that Residual wrote, if the file names its model. Constants have the names of
 * parameters, or of a convolution with its norm folded in (`conv1.folded.weight`, `conv1.folded.bias`). Their axes are
 * in the order of TensorFlow's operators. So parameters are found by name, and the file's operators, which are chosen
 * for an engine, are not followed.
 *
 * The file determines the number of classes and of input channels. The last layer may be missing.
 */
export function nameOwn(
  file: string,
  tensors: Tensors,
  metadata: Readonly<Record<string, string>> = {},
): FollowedTensors {
  const fit = (graph: Graph) => ({ tensors: parametersIn(tensors, graph, file), notes: [] });
  const model = metadata.model === undefined ? undefined : modelNameOf(metadata.model);
  if (model === undefined)
    return {
      tensors,
      metadata,
      notes: [],
      graph: { fit, mismatch: "Residual wrote it without its model; name the model" },
    };
  // norms that are not folded have the epsilon of the file
  const row = withEpsilon(variants[model], metadata.epsilon === undefined ? undefined : Number(metadata.epsilon));
  return {
    ...fit(resnet(row, { name: model })),
    metadata,
    graph: { fit, mismatch: undefined },
  };
}

function parametersIn(tensors: Tensors, graph: Graph, file: string): Tensors {
  const found = new Map<string, NamedSource>();
  const missing: string[] = [];
  /** Takes a weight under the name `stored`, with the axes of the parameter. */
  const take = ({ name, shape }: Value, stored: string): void => {
    const source = restored(tensors, stored, freed(name, shape as readonly number[], tensors.get(stored)), file);
    if (source) found.set(name, source);
    else missing.push(stored);
  };
  const stem = parametersOf(graph).find(({ shape }) => shape.length === 4)?.name;
  /** The parameter's shape, with the file's number of input channels or classes. */
  const freed = (name: string, shape: readonly number[], stored: NamedSource | undefined): readonly number[] => {
    if (stored && name === stem) return [shape[0]!, channelsOf(stored, shape), ...shape.slice(2)];
    const isOfHead = stored !== undefined && name.startsWith("fc.");
    return isOfHead ? [stored.shape.at(-1) ?? 0, ...shape.slice(1)] : shape;
  };
  for (const node of nodesOf(graph)) {
    if (is(node, "conv2d")) {
      const { weight, bias } = node.inputs;
      const isFolded = isStored(tensors, `${node.name}.folded.weight`);
      take(weight, isFolded ? `${node.name}.folded.weight` : weight.name);
      if (bias && isFolded) found.set(bias.name, zeros(bias));
      else if (bias) take(bias, bias.name);
    } else if (is(node, "batchNorm")) {
      const { x, ...statistics } = node.inputs;
      if (is(x, "conv2d") && isStored(tensors, `${x.name}.folded.weight`)) {
        for (const [value, source] of identityNorm(node)) found.set(value.name, source);
        take(statistics.shift, `${x.name}.folded.bias`);
      } else for (const value of Object.values(statistics)) take(value, value.name);
    } else if (is(node, "linear") && isStored(tensors, node.inputs.weight.name)) {
      take(node.inputs.weight, node.inputs.weight.name);
      if (node.inputs.bias) take(node.inputs.bias, node.inputs.bias.name);
    }
  }
  if (missing.length > 0)
    throw new WeightsError(
      `${file}: found no ${shortList(missing)}, which ${graph.name} has; build the model it was written of`,
    );
  return new Map(parametersOf(graph).flatMap(({ name }) => (found.has(name) ? [[name, found.get(name)!]] : [])));
}

/** The number of input channels of a stored convolution, by its layout; the parameter's number for other layouts. */
function channelsOf(
  { shape: stored }: NamedSource,
  [, channels = 0, height = 1, width = 1]: readonly number[],
): number {
  if (stored.length === 4) return stored[2]!;
  const read = stored[0]! / (height * width);
  return stored.length === 2 && Number.isInteger(read) ? read : channels;
}

function zeros({ shape }: Value): NamedSource {
  return tensorOf("float32", shape as readonly number[], new Float32Array(sizeOf(shape as readonly number[])));
}

function isStored(tensors: Tensors, name: string): boolean {
  return tensors.has(name) || groupOf(tensors, name, 0) !== undefined;
}

/** The weight of one group: `NAME/kernel-0-32` is the first of 32 groups, `NAME/vector-0-32` its bias. */
function groupOf(tensors: Tensors, name: string, group: number): NamedSource | undefined {
  const counts = groupCounts(tensors);
  const count = counts.get(name);
  return count === undefined
    ? undefined
    : (tensors.get(`${name}/kernel-${group}-${count}`) ?? tensors.get(`${name}/vector-${group}-${count}`));
}

/** The weights that are stored by group, with their numbers of groups. */
function groupCounts(tensors: Tensors): ReadonlyMap<string, number> {
  const known = counted.get(tensors);
  if (known) return known;
  const counts = new Map<string, number>();
  for (const name of tensors.keys()) {
    const [, whole, count] = /^(.*)\/(?:kernel|vector)-0-(\d{1,6})$/.exec(name) ?? [];
    if (whole !== undefined) counts.set(whole, Number(count));
  }
  counted.set(tensors, counts);
  return counts;
}
const counted = new WeakMap<Tensors, ReadonlyMap<string, number>>();

/**
 * A weight with the axes of the parameter. Throws UnsupportedError for a shape of no known layout. Source: `shapeIn` of
 * @residual/tfjs.
 */
function restored(tensors: Tensors, name: string, shape: readonly number[], file: string): NamedSource | undefined {
  const stored = tensors.get(name);
  if (stored) return inOrder(stored, shape) ?? refuse(file, name, stored, shape);
  const count = groupCounts(tensors).get(name);
  if (count === undefined) return undefined;
  const [rows = 0, ...rest] = shape;
  const parts = Array.from({ length: count }, (_, group) => {
    const part = groupOf(tensors, name, group);
    const own = [rows / count, ...rest];
    return part && ((inOrder(part, own) ?? refuse(file, name, part, own)) as Source);
  });
  if (!parts.every((part) => part !== undefined)) return undefined;
  const held = parts.filter((part) => isTensor(part));
  return shape.length === 1 && held.length === count ? joined(held) : concatenateRows(parts);
}

/** Concatenates vectors in memory, so that passes can fold the result. */
function joined(parts: readonly RealTensor[]): RealTensor {
  const data = Float32Array.from(parts.flatMap((part) => [...part.data]));
  return tensorOf("float32", [data.length], data);
}

function refuse(file: string, name: string, { shape }: NamedSource, expected: readonly number[]): never {
  throw new UnsupportedError(
    `${file}: weight ${quote(name)} is [${shape.join(", ")}], ` +
      `expected one for [${expected.join(", ")}]; write it again`,
  );
}

function inOrder(source: NamedSource, shape: readonly number[]): NamedSource | undefined {
  if (source.dtype !== "float32") return undefined;
  const [outputs = 0, channels = 0, height = 1, width = 1] = shape;
  const has = (...expected: readonly number[]) => source.shape.join() === expected.join();
  if (shape.length === 1) return has(outputs) ? source : undefined;
  if (shape.length === 2) return has(channels, outputs) ? permuteAxes(source, [1, 0]) : undefined;
  if (has(height, width, channels, outputs)) return permuteAxes(source, [3, 2, 0, 1]);
  if (has(height * width * channels, outputs))
    return permuteAxes(reshape(source, [height, width, channels, outputs]), [3, 2, 0, 1]);
  return depthwise(source, shape);
}

/**
 * A grouped convolution that is stored as a depthwise one: [height, width, groups · channels, outputs per group].
 * Undefined for other shapes.
 */
function depthwise(source: Source, shape: readonly number[]): Source | undefined {
  const [outputs = 0, channels = 0, height = 0, width = 0] = shape;
  const [h, w, all = 0, own = 0] = source.shape;
  const groups = all / channels;
  if (source.shape.length !== 4 || h !== height || w !== width || groups * own !== outputs) return undefined;
  const apart = reshape(source, [height, width, groups, channels, own]);
  const whole = reshape(permuteAxes(apart, [2, 4, 3, 0, 1]), shape);
  // the stored weights contain this factor; division by a power of two is exact
  const factor = Number.isInteger(Math.log2(channels)) ? channels : 1;
  return factor === 1 ? whole : scaleRows(whole, new Float64Array(outputs).fill(1 / factor));
}
