import {
  checkPreprocessing,
  FormatError,
  fixtureWeights,
  type Graph,
  modelNameOf,
  modelNames,
  type NamedSources,
  type Preprocessing,
  type ResNetSpec,
  readPreprocessing,
  resnet,
  type Shape,
  variants,
  type WorkOptions,
} from "@residual/core";
import { labelsOf } from "@residual/vision";
import { findWeights, knownWeights, toTorchvision, type Weights } from "@residual/weights";
import { unknownName } from "./names.ts";
import { OptionError } from "./option-error.ts";

/** The small weights that ship inside of the package: what is used where nothing is asked for. */
const DEFAULT_WEIGHTS = "resnet20-cifar10";

export interface PrepareOptions extends WorkOptions {
  /** A model's name, or a row of the caller's own; what the weights' metadata says where not given. */
  readonly model?: string | ResNetSpec | undefined;
  /**
   * A file, known weights' name, `fixture:SALT`, or weights that are read; those known for the model where not given.
   */
  readonly weights?: string | Weights | undefined;
  /** What to change of the preprocessing that comes with the weights or the model. */
  readonly preprocessing?: Partial<Preprocessing> | undefined;
  /** [batch, channels, height, width]; an open batch of the preprocessing's crop where not given. */
  readonly input?: Shape | undefined;
}

/** Weights under the names of the model that they are for, and what is known of the two. */
export interface Identified extends NamedSources {
  readonly model: string;
  readonly weights: string;
  /** The model's row, with as many classes as the weights have. */
  readonly spec: ResNetSpec;
  /** The model for the input that the options or the preprocessing ask for, its parameters open. */
  readonly open: Graph<"image">;
  readonly metadata: Readonly<Record<string, string>>;
  /** Undefined where neither weights nor model say how pictures become the model's input. */
  readonly preprocessing: Preprocessing | undefined;
  /** A name for each class; undefined where neither weights nor model have one for each. */
  readonly labels: readonly string[] | undefined;
}

interface Model {
  readonly name: string;
  readonly spec: ResNetSpec;
}

/**
 * Reads the weights, once, and tells the model that they are for. Throws OptionError where the options name something
 * unknown or too little, FormatError where the weights' metadata do, else what `findWeights` and `toTorchvision` throw.
 */
export async function identify(options: PrepareOptions): Promise<Identified> {
  const asked = options.model === undefined ? undefined : modelOf(options.model);
  const source = options.weights ?? weightsFor(asked);
  if (typeof source === "string" && source.startsWith("fixture:")) return fixture(source, asked, options);
  const weights = typeof source === "string" ? source : "the given weights";
  const raw = typeof source === "string" ? await findWeights(source, options) : source;
  const model = asked ?? recordedModel(weights, raw);
  return describe(model, { name: weights, metadata: raw.metadata, under: (open) => toTorchvision(raw, open) }, options);
}

function fixture(weights: string, model: Model | undefined, options: PrepareOptions): Identified {
  const salt = weights.slice("fixture:".length);
  if (salt === "") throw new OptionError("`weights` fixture: lacks its salt; write fixture:v1 for the goldens' values");
  if (!model) throw new OptionError(`${weights} fits every model; name one with \`model\``);
  return describe(model, { name: weights, metadata: {}, under: (open) => fixtureWeights(open, salt) }, options);
}

/** Weights whose tensors wait for the names that a model has for them. */
interface Unnamed {
  readonly name: string;
  readonly metadata: Readonly<Record<string, string>>;
  under(open: Graph): NamedSources;
}

function describe({ name, spec: row }: Model, weights: Unnamed, options: PrepareOptions): Identified {
  const { metadata } = weights;
  const preprocessing = preprocessingOf(row, metadata, options.preprocessing);
  const input = options.input ?? inputOf(row, preprocessing);
  const model = resnet(row, { name, input });
  const { tensors } = weights.under(model); // names do not depend on the number of classes
  const spec = fitted(row, tensors.get("fc.weight")?.shape[0]);
  const open = spec === row ? model : resnet(spec, { name, input });
  const labels = classNames(spec, metadata);
  return { model: name, weights: weights.name, spec, open, tensors, metadata, preprocessing, labels };
}

function fitted(row: ResNetSpec, classes: number | undefined): ResNetSpec {
  const fits = classes === undefined || row.classes === 0 || classes === (row.classes ?? 1000);
  return fits ? row : { ...row, classes };
}

/** An open batch of what the preprocessing makes of pictures; a model that reads no pictures has a size of its own. */
function inputOf({ inputChannels = 3, size = 224 }: ResNetSpec, preprocessing: Preprocessing | undefined): Shape {
  const side = inputChannels === 3 && preprocessing ? preprocessing.crop : size;
  return ["N", inputChannels, side, side];
}

function modelOf(model: string | ResNetSpec): Model {
  if (typeof model !== "string")
    return { name: modelNames.find((name) => variants[name] === model) ?? "resnet", spec: model };
  const known = modelNameOf(model);
  if (known === undefined) throw new OptionError(unknownName(model, modelNames, "model", "modelNames"));
  return { name: model, spec: variants[known] };
}

/** The model that weights say they are for. */
function recordedModel(weights: string, { metadata: { model } }: Weights): Model {
  if (model === undefined)
    throw new OptionError(`${weights} does not say which model it is for; name it with \`model\``);
  if (modelNameOf(model) !== undefined) return modelOf(model);
  throw new FormatError(`${weights} says it is for ${model}, which is no model here; name another`);
}

function weightsFor(model: Model | undefined): string {
  if (!model) return DEFAULT_WEIGHTS;
  const known = knownWeights.find((weights) => weights.model === modelNameOf(model.name));
  if (known) return known.name;
  throw new OptionError(
    `no weights are known for ${model.name}; give \`weights\` a .safetensors file, or fixture:v1 to try it without any`,
  );
}

/**
 * What comes with the weights, else with the model, changed where the caller asks. Undefined where nothing of it is
 * known.
 * Throws FormatError where a part is missing or no preprocessing can have it.
 */
export function preprocessingOf(
  spec: ResNetSpec,
  metadata: Readonly<Record<string, string>>,
  changes: Partial<Preprocessing> = {},
): Preprocessing | undefined {
  const recorded = metadata.preprocessing;
  const known = recorded === undefined ? spec.preprocessing : readPreprocessing(recorded);
  return known || Object.keys(changes).length > 0 ? checkPreprocessing({ ...known, ...changes }) : undefined;
}

/** The weights' own names, where they have any; else the model's. */
function classNames(spec: ResNetSpec, metadata: Readonly<Record<string, string>>): readonly string[] | undefined {
  const labels = namesIn(metadata.classes);
  return labels ? labelsOf({ ...spec, labels }) : labelsOf(spec);
}

function namesIn(json: string | undefined): readonly string[] | undefined {
  try {
    const names: unknown = JSON.parse(json ?? "null");
    return Array.isArray(names) && names.every((name) => typeof name === "string") ? names : undefined;
  } catch {
    return undefined; // labels are an ornament: weights whose metadata has none to read still run
  }
}
