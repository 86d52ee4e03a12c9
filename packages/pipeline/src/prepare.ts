import {
  bind,
  type Dimension,
  FormatError,
  type Graph,
  type ModelName,
  type ResNetSpec,
  resnet,
  type Shape,
  variants,
  type WorkOptions,
} from "@residual/core";
import {
  checkPreprocessing,
  cifar10,
  cifar10Labels,
  imagenet,
  imagenetLabels,
  type Preprocessing,
  raw32,
  readPreprocessing,
} from "@residual/vision";
import { findWeights, knownWeights, resolveWeights, toTorchvision, type Weights } from "@residual/weights";
import { UsageError } from "./errors.ts";
import { oneOf } from "./names.ts";

/** The small weights that ship inside of the package: what is used where nothing is asked for. */
export const DEFAULT_WEIGHTS = "resnet20-cifar10";

export const modelNames: readonly ModelName[] = Object.keys(variants) as ModelName[];

/** The numbers of a model. Throws UsageError that names the nearest, where there is none of that name. */
export function specNamed(name: string): ResNetSpec {
  return variants[oneOf(name, modelNames, "model", "residual models")];
}

/** A model of that name, its parameters open. */
export function modelNamed(name: string, input?: Shape): Graph<"image"> {
  return resnet(specNamed(name), { name, ...(input && { input }) });
}

export interface PrepareOptions extends WorkOptions {
  /** A model's name; what the weights' metadata says where not given. */
  readonly model?: string | undefined;
  /** A file, known weights' name or `fixture:SALT`; what is known for the model where not given. */
  readonly weights?: string | undefined;
  /** What to change of the preprocessing that comes with the weights. */
  readonly preprocessing?: Partial<Preprocessing> | undefined;
  /** [batch, channels, height, width]; an open batch of the preprocessing's crop where not given. */
  readonly input?: Shape | undefined;
}

/** A model with its weights, and what belongs to them. */
export interface Prepared {
  readonly model: string;
  readonly weights: string;
  readonly graph: Graph<"image">;
  readonly metadata: Readonly<Record<string, string>>;
  readonly preprocessing: Preprocessing;
  /** A name for each class; undefined where none are known. */
  readonly labels: readonly string[] | undefined;
}

/** Finds the weights, builds the model they are for, and binds the two. */
export async function prepare(options: PrepareOptions): Promise<Prepared> {
  if (options.model !== undefined) specNamed(options.model);
  const weightsName = options.weights ?? defaultWeights(options.model);
  if (weightsName.startsWith("fixture:")) return prepareFixture(weightsName, options);
  const raw = await findWeights(weightsName, options);
  const model = options.model ?? recordedModel(weightsName, raw);
  const preprocessing = preprocessingOf(model, raw.metadata, options.preprocessing);
  const input = options.input ?? inputOf(model, preprocessing);
  const graph = resnet(specOf(model, raw), { name: model, input });
  return {
    model,
    weights: weightsName,
    graph: bind(graph, toTorchvision(raw, graph)),
    metadata: raw.metadata,
    preprocessing,
    labels: labelsOf(graph, raw.metadata),
  };
}

async function prepareFixture(weights: string, options: PrepareOptions): Promise<Prepared> {
  const { model } = options;
  if (model === undefined) throw new UsageError(`${weights} fits every model; name one with --model`);
  saltOf(weights, "--weights");
  const preprocessing = preprocessingOf(model, {}, options.preprocessing);
  const graph = modelNamed(model, options.input ?? inputOf(model, preprocessing));
  const { metadata, tensors } = await resolveWeights(weights, graph, options);
  return { model, weights, graph: bind(graph, { tensors }), metadata, preprocessing, labels: labelsOf(graph, {}) };
}

/** What follows `fixture:`. */
export function saltOf(text: string, option: string): string {
  const salt = text.slice("fixture:".length);
  if (salt === "") throw new UsageError(`${option} fixture: lacks its salt; write fixture:v1 for the goldens' values`);
  return salt;
}

/** The model that weights say they are for. */
function recordedModel(weights: string, { metadata: { model } }: Weights): string {
  if (model === undefined) throw new UsageError(`${weights} does not say which model it is for; name it with --model`);
  if ((modelNames as readonly string[]).includes(model)) return model;
  throw new FormatError(`${weights} says it is for ${model}, which is no model here; name one with --model`);
}

/** An open batch of what the preprocessing makes of pictures; a model that reads no pictures has a size of its own. */
function inputOf(model: string, { crop }: Preprocessing): Shape {
  const { inputChannels = 3, size = 224 } = specNamed(model);
  return inputChannels === 3 ? ["N", 3, crop, crop] : ["N", inputChannels, size, size];
}

/** Throws UsageError for a model that ends before its classes, where they are what is asked for. */
export function checkLogits({ name, outputs }: Graph): void {
  if (!("logits" in outputs))
    throw new UsageError(`${name} has no logits to predict a class from; choose another model`);
}

function defaultWeights(model: string | undefined): string {
  if (model === undefined) return DEFAULT_WEIGHTS;
  const known = knownWeights.find((weights) => weights.model === model);
  if (known) return known.name;
  throw new UsageError(
    `no weights are known for ${model}; give --weights FILE.safetensors, or fixture:v1 to try it without any`,
  );
}

/** The model with as many classes as its weights have: fine-tuned weights fit without a word. */
function specOf(model: string, { tensors }: Weights): ResNetSpec {
  const spec = specNamed(model);
  const classes = tensors.get("fc.weight")?.shape[0];
  return classes === undefined || spec.classes === 0 ? spec : { ...spec, classes };
}

/** What comes with the weights, else with the model, changed where the caller asks. */
export function preprocessingOf(
  model: string,
  metadata: Readonly<Record<string, string>>,
  changes: Partial<Preprocessing> = {},
): Preprocessing {
  const recorded = metadata.preprocessing;
  const known = recorded === undefined ? modelPreprocessing(model) : readPreprocessing(recorded);
  return checkPreprocessing({ ...known, ...changes });
}

function modelPreprocessing(model: string): Preprocessing {
  if (model === "mlperf_tiny_resnet8") return raw32;
  return specNamed(model).size === 32 ? cifar10 : imagenet;
}

function labelsOf(graph: Graph, metadata: Readonly<Record<string, string>>): readonly string[] | undefined {
  const classes = graph.outputs.logits?.shape[1];
  const named = namesIn(metadata.classes);
  return [named, imagenetLabels, cifar10Labels].find((labels) => labels?.length === classes);
}

function namesIn(json: string | undefined): readonly string[] | undefined {
  try {
    const names: unknown = JSON.parse(json ?? "null");
    return Array.isArray(names) && names.every((name) => typeof name === "string") ? names : undefined;
  } catch {
    return undefined; // labels are an ornament: weights whose metadata has none to read still run
  }
}

/** `1x3x224x224`, with `N` for an open batch. */
export function parseShape(text: string): Shape {
  const sizes = text.split(/[x×]/).map((size): Dimension => (size === "N" ? size : /^\d+$/.test(size) ? +size : 0));
  const whole = sizes.every((size, axis) => (size === "N" ? axis === 0 : Number.isSafeInteger(size) && size > 0));
  if (sizes.length !== 4 || !whole)
    throw new UsageError(`${JSON.stringify(text)} is no shape; write batch, channels, height and width as 1x3x224x224`);
  return sizes;
}
