import {
  type ModelName,
  modelNames,
  parametersOf,
  type ResNetSpec,
  resnet,
  shortList,
  variants,
  WeightsError,
} from "@residual/core";
import { shown } from "@residual/kit/bytes";
import { namingScheme, toTorchvision, Weights } from "@residual/weights";

/** Facts about weights from their names and shapes. */
export interface Recognition {
  /** The naming scheme: `torchvision`, `transformers`, `keras`, … */
  readonly scheme: string;
  /** The models that the weights fit; the first is taken if nothing else is known. Empty if none fits. */
  readonly models: readonly ModelName[];
  /** The differences of the weights from the first of `models`, or else from the nearest model. */
  readonly nearest: Difference | undefined;
  /** Why weights with the body of a model fit none: they are two sets, or have two last layers. */
  readonly refusal?: string | undefined;
}

/** Names as in the model, without prefixes and translated by the scheme. */
export interface Difference {
  readonly model: ModelName;
  /** Parameters of the model that the weights lack. */
  readonly missing: readonly string[];
  /** Tensors that the model has no parameter for. */
  readonly leftOver: readonly string[];
  /** Tensors whose shape differs from the parameter's. */
  readonly misshapen: readonly string[];
  /** Tensors with the parameter's shape. */
  readonly found: number;
}

type Shapes = ReadonlyMap<string, readonly number[]>;

/** `recognize` says what is found. */
export function recognitionOf(given: Weights): Recognition {
  const weights = given.graph ? new Weights(given.tensors) : given; // only names and shapes, without the file's graph
  const naming = namingScheme(weights);
  const bodies = naming.shapes && bodiesIn(naming.shapes);
  const isUsual = (name: string) => naming.models?.test(name) ?? true;
  const likely = modelNames.filter((name) => isLikely(bodies, variants[name]));
  const fitting =
    fittingOf(weights, likely.filter(isUsual)) ??
    fittingOf(
      weights,
      likely.filter((name) => !isUsual(name)),
    );
  if (fitting) return { scheme: naming.name, models: fitting.map(({ model }) => model), nearest: fitting[0] };
  const refusal = bodies && likely.map((name) => refusalOf(weights, name)).find((message) => message !== undefined);
  return { scheme: naming.name, models: [], nearest: nearestTo(weights), refusal };
}

/** Why the names cannot be a model's although its body fits; undefined if they can. */
function refusalOf(weights: Weights, model: ModelName): string | undefined {
  const row: ResNetSpec = variants[model];
  try {
    toTorchvision(weights, resnet(row, { name: model }));
    return undefined;
  } catch (error) {
    if (error instanceof WeightsError) return error.message;
    throw error;
  }
}

/** The models whose parameters have the names and shapes of these weights, except for the number of classes. */
export function modelsFitting(weights: Weights): readonly ModelName[] {
  return recognitionOf(weights).models;
}

function fittingOf(weights: Weights, names: readonly ModelName[]): readonly Difference[] | undefined {
  const known = new Map<string, ReturnType<typeof differenceTo>>();
  const fitting = names.flatMap((name) => {
    const key = parametersKey(variants[name]);
    if (!known.has(key)) known.set(key, differenceTo(weights, name));
    const found = known.get(key);
    return found && isFit(found.difference) ? [{ ...found, difference: { ...found.difference, model: name } }] : [];
  });
  if (fitting.length === 0) return undefined;
  const hasClasses = ({ difference: { model }, classes }: (typeof fitting)[number]) =>
    ((variants[model] as ResNetSpec).classes ?? 1000) === classes;
  return fitting.toSorted((a, b) => Number(hasClasses(b)) - Number(hasClasses(a))).map(({ difference }) => difference);
}

/** The fields of a row that do not affect names and shapes of parameters. */
const withoutParameters: ReadonlySet<string> = new Set<keyof ResNetSpec>([
  "strideOn",
  "epsilon",
  "padding",
  "reluAfterAdd",
  "softmax",
  "size",
  "preprocessing",
  "labels",
]);

/** Equal for rows whose parameters have the same names and shapes. */
function parametersKey(row: ResNetSpec): string {
  return JSON.stringify(row, (field, value: unknown) => {
    if (withoutParameters.has(field)) return undefined;
    return value === "padEnd" ? "padEven" : value;
  });
}

const isOfHead = (name: string): boolean => name.startsWith("fc.");

function isFit({ missing, leftOver, misshapen }: Difference): boolean {
  const isHeadless = missing.length > 0 && missing.every(isOfHead);
  return (missing.length === 0 || isHeadless) && leftOver.length === 0 && misshapen.length === 0;
}

/** Undefined for weights whose names the model cannot have: two sets, or two last layers. */
function differenceTo(
  weights: Weights,
  model: ModelName,
): { readonly difference: Difference; readonly classes: number | undefined } | undefined {
  const graph = resnet(variants[model] as ResNetSpec);
  const parameters = parametersOf(graph);
  const wanted: Shapes = new Map(parameters.map(({ name, shape }) => [name, shape]));
  const stem = parameters.find(({ shape }) => shape.length === 4)?.name;
  let tensors: Weights["tensors"];
  try {
    tensors = toTorchvision(weights, graph).tensors;
  } catch (error) {
    if (error instanceof WeightsError) return undefined;
    throw error;
  }
  const fits = (name: string, shape: readonly number[]) => sameShape(shape, wanted.get(name)!, freeAxis(name, stem));
  const common = [...tensors].filter(([name]) => wanted.has(name));
  const misshapen = common.filter(([name, { shape }]) => !fits(name, shape)).map(([name]) => name);
  const difference = {
    model,
    missing: [...wanted.keys()].filter((name) => !tensors.has(name)),
    leftOver: [...tensors.keys()].filter((name) => !wanted.has(name)),
    misshapen,
    found: common.length - misshapen.length,
  };
  return { difference, classes: tensors.get("fc.weight")?.shape[0] };
}

/** The axis whose size may differ: classes of the last layer, input channels of the first. */
function freeAxis(name: string, stem: string | undefined): number | undefined {
  if (isOfHead(name)) return 0;
  return name === stem ? 1 : undefined;
}

function sameShape(found: readonly number[], wanted: readonly number[], free: number | undefined): boolean {
  return found.length === wanted.length && found.every((size, axis) => size === wanted[axis] || axis === free);
}

/**
 * The model whose body differs least; among equals, the one with the fewest differences. Undefined if no model has a
 * tensor in common.
 */
function nearestTo(weights: Weights): Difference | undefined {
  const differences = modelNames
    .filter((name) => variants[name].depths.reduce((sum: number, depth) => sum + depth, 0) < DEEP)
    .flatMap((name) => differenceTo(weights, name)?.difference ?? [])
    .filter(({ found }) => found > 0);
  const namesOf = ({ missing, leftOver, misshapen }: Difference) => [...missing, ...leftOver, ...misshapen];
  const ofBody = (each: Difference) => namesOf(each).filter((name) => !isOfHead(name)).length;
  return differences.toSorted((a, b) => ofBody(a) - ofBody(b) || namesOf(a).length - namesOf(b).length)[0];
}

/**
 * The number of blocks of a slow-to-build network. Weights are compared with such a network only if their depth fits.
 */
const DEEP = 200;

/** A network in a file: the prefix of its names, and the number of blocks of each stage. */
interface Body {
  readonly prefix: string;
  readonly depths: string;
  readonly shapes: Shapes;
}

const FIRST = "layer1.0.conv1.weight";

function bodiesIn(shapes: Shapes): readonly Body[] {
  return [...shapes.keys()]
    .filter((name) => name.endsWith(FIRST))
    .map((name) => name.slice(0, -FIRST.length))
    .map((prefix) => ({ prefix, depths: depthsUnder(prefix, shapes).join(), shapes }));
}

function depthsUnder(prefix: string, shapes: Shapes): readonly number[] {
  const counts: number[] = [];
  for (const name of shapes.keys()) {
    if (!name.startsWith(prefix)) continue;
    const [, stage, block] = /^layer([1-9])\.(\d{1,4})\./.exec(name.slice(prefix.length, prefix.length + 16)) ?? [];
    if (stage) counts[Number(stage) - 1] = Math.max(counts[Number(stage) - 1] ?? 0, Number(block) + 1);
  }
  return counts;
}

/**
 * Whether weights may be those of a row, by cheap checks: the number of blocks, and the shapes of the stem and the
 * first block. Building 100 networks takes 100 ms; two or three remain after these checks. `bodies` is undefined if
 * names do not show blocks.
 */
function isLikely(bodies: readonly Body[] | undefined, row: ResNetSpec): boolean {
  if (bodies === undefined) return true;
  if ((row.blockNames ?? "layer") !== "layer") return bodies.length === 0;
  return bodies.some((body) => body.depths === row.depths.join() && hasLayersOf(body, row) && hasFirstBlock(body, row));
}

/** Checks four names before a graph is built. */
function hasLayersOf(
  { prefix, shapes }: Body,
  { stem = "imagenet", block, squeeze, bias = false }: ResNetSpec,
): boolean {
  const has = (name: string) => shapes.has(prefix + name);
  const first = typeof block === "string" ? block : block[0];
  const isDeep = /^(deep|tiered)/.test(stem);
  return (
    has("conv1.0.weight") === isDeep &&
    (isDeep || has("conv1.bias") === (bias === true || bias === "unnormalized")) &&
    has("layer1.0.conv3.weight") === (first === "bottleneck") &&
    has("layer1.0.se.fc1.weight") === (squeeze !== undefined)
  );
}

function hasFirstBlock({ prefix, shapes }: Body, row: ResNetSpec): boolean {
  const parameters = parametersOf(resnet(firstBlockOf(row)));
  const stem = parameters.find(({ shape }) => shape.length === 4)?.name;
  return parameters.every(({ name, shape }) => {
    const found = shapes.get(prefix + name);
    return found !== undefined && sameShape(found, shape, freeAxis(name, stem));
  });
}

/** The stem and the first block only. */
function firstBlockOf({ strides, block, width, ...row }: ResNetSpec): ResNetSpec {
  return {
    ...row,
    block: typeof block === "string" ? block : block.slice(0, 1),
    depths: [1],
    ...(strides && { strides: strides.slice(0, 1) }),
    ...(width !== undefined && { width: typeof width === "number" ? width : width.slice(0, 1) }),
    classes: 0,
    softmax: false,
  };
}

/** The differences of weights from the nearest model, in at most ten lines. */
export function differenceText({ scheme, nearest, refusal }: Recognition): string {
  if (refusal !== undefined) return refusal;
  if (!nearest) return "not one has the name and the shape of a parameter; give weights of a residual network";
  const lines = (["missing", "leftOver", "misshapen"] as const).flatMap((kind) => {
    const names = nearest[kind];
    if (names.length === 0) return [];
    const word = { missing: "missing", leftOver: "left over", misshapen: "of another shape" }[kind];
    return [`${names.length} ${word}: ${shortList(names.map((name) => shown(name, 60)))}`];
  });
  return `they come nearest to ${nearest.model}, by the names of ${scheme}:\n  ${lines.join("\n  ")}`;
}
