import {
  checkPreprocessing,
  describeValue,
  FormatError,
  fixtureWeights,
  type Graph,
  modelNameOf,
  modelNames,
  type NamedSource,
  type NamedSources,
  type Preprocessing,
  parametersOf,
  type ResNetSpec,
  resnet,
  type Shape,
  variants,
  WeightsError,
  type WorkOptions,
} from "@residual/core";
import { nameOf, shown } from "@residual/kit/bytes";
import { counted, unknownName } from "@residual/kit/names";
import { labelsOf } from "@residual/vision";
import {
  bestWeightsFor,
  type KerasNetwork,
  kerasNetwork,
  namingScheme,
  type PreprocessingSource as RecordedSource,
  readWeights,
  shippedWeights,
  toTorchvision,
  Weights,
  type WeightsSource,
  withEpsilon,
} from "@residual/weights";
import { OptionError } from "./option-error.ts";
import { rememberSources } from "./weights-references.ts";

/** A source of weights, or weights that are already read. */
export type GivenWeights = WeightsSource | Weights | (NamedSources & Partial<Pick<Weights, "metadata">>);

/**
 * The source of the preprocessing: the caller, if all of it is given; else the weights; else the model's row, as a
 * guess.
 */
export type PreprocessingSource = "given" | RecordedSource | "model";

/**
 * The source of the class names: the caller, the weights, the list of known weights, or the model's row, as a guess.
 */
export type LabelsSource = Exclude<PreprocessingSource, "file name">;

/** Whether a source is a guess: the weights may have been trained otherwise. */
export function isGuess(source: PreprocessingSource | undefined): boolean {
  return source === "model" || source === "file name" || source === "guess";
}

export interface PrepareOptions extends WorkOptions {
  /** A model's name, or a row of your own. Default: the model in the weights' metadata. */
  readonly model?: string | ResNetSpec | undefined;
  /**
   * A path, a URL, the name of known weights (downloaded once), `fixture:SALT`, a Blob, bytes, a stream, or weights
   * that are already read. Default: the weights that ship with the package.
   */
  readonly weights?: GivenWeights | undefined;
  /**
   * Takes only tensors whose names have this prefix, as `readWeights` does: `"ema."` for the moving average of a
   * checkpoint.
   */
  readonly prefix?: string | undefined;
  /** Forbids downloads of known weights, as RESIDUAL_OFFLINE=1 and HF_HUB_OFFLINE=1 do. Default false */
  readonly offline?: boolean | undefined;
  /** A name for each class, in order. Default: the weights' or the model's. */
  readonly labels?: readonly string[] | undefined;
  /** Changes to the preprocessing of the weights or the model. */
  readonly preprocessing?: Partial<Preprocessing> | undefined;
  /** [batch, channels, height, width]. Default: an open batch of the preprocessing's crop. */
  readonly input?: Shape | undefined;
  /** Called by `prepare` with each of the `notes`. */
  readonly onWarning?: ((message: string) => void) | undefined;
}

/** Weights with the names of their model, and the known facts about both. */
export interface Identified extends NamedSources {
  readonly model: string;
  readonly weights: string;
  /** The model's row, with the weights' number of classes. */
  readonly spec: ResNetSpec;
  /** The model's graph for the requested input size, with open parameters. */
  readonly open: Graph<"image">;
  /** The model that the weights are for, from their metadata or their known name. */
  readonly recordedModel: string | undefined;
  /** Undefined if neither weights nor model define it. */
  readonly preprocessing: Preprocessing | undefined;
  /** `isGuess`: the weights may have been trained otherwise. */
  readonly preprocessingSource: PreprocessingSource | undefined;
  /** The trained network's function of its logits, if it is not softmax: `sigmoid`, … */
  readonly activation: string | undefined;
  /** A name for each class; undefined if neither weights nor model have one for each. */
  readonly labels: readonly string[] | undefined;
  /** Undefined without labels. */
  readonly labelsSource: LabelsSource | undefined;
  /** Messages for the user, as sentences: guesses, and weights that were left out. */
  readonly notes: readonly string[];
}

interface Model {
  readonly name: string;
  readonly spec: ResNetSpec;
}

/**
 * Reads the weights, once, and identifies their model. Throws OptionError if the options name something unknown or too
 * little, FormatError if the weights' metadata do, and errors of `readWeights` and `toTorchvision`.
 */
export async function identify(options: PrepareOptions): Promise<Identified> {
  const asked = options.model === undefined ? undefined : modelOf(options.model);
  const source = options.weights ?? (await weightsFor(asked));
  if (typeof source === "string" && source.startsWith("fixture:")) return fixture(source, asked, options);
  const name = nameOf(source, "the given weights");
  const raw = await weightsOf(source, options);
  if (typeof source === "string") rememberSources({ weights: source, prefix: options.prefix }, raw.tensors);
  const { notes, ...model } = asked ? { ...asked, notes: [] } : await modelFor(name, raw);
  const identified = await describe(model, { name, raw, under: (open) => toTorchvision(raw, open) }, options);
  return { ...identified, notes: [...notes, ...identified.notes] };
}

async function weightsOf(source: GivenWeights, options: PrepareOptions): Promise<Weights> {
  const { prefix, offline, signal, onProgress } = options;
  if (!(source instanceof Weights) && !holdsTensors(source))
    return readWeights(source, { prefix, offline, signal, onProgress });
  const weights = source instanceof Weights ? source : givenTensors(source);
  return prefix === undefined ? weights : weights.under(prefix);
}

function givenTensors({ tensors, metadata }: Extract<GivenWeights, NamedSources>): Weights {
  checkTensors(tensors);
  return new Weights(tensors, metadata);
}

/** Checked at run time, for callers without a compiler. */
function checkTensors(tensors: unknown): void {
  if (!(Object.prototype.toString.call(tensors) === "[object Map]"))
    throw new OptionError("`weights`: expected `tensors` to be a Map of names to tensors, as `readWeights` returns");
  for (const [name, tensor] of tensors as ReadonlyMap<unknown, Partial<NamedSource> | null | undefined>) {
    if (typeof name === "string" && typeof tensor?.dtype === "string" && Array.isArray(tensor.shape)) continue;
    const found = `${shown(String(name))}: ${describeValue(tensor)}`;
    throw new OptionError(`\`weights\` has under ${found}, expected a tensor { dtype, shape, data } or a source`);
  }
}

function holdsTensors(source: GivenWeights): source is Extract<GivenWeights, NamedSources> {
  return (
    typeof source === "object" && source !== null && "tensors" in source && typeof source.tensors?.get === "function"
  );
}

async function fixture(weights: string, model: Model | undefined, options: PrepareOptions): Promise<Identified> {
  const salt = weights.slice("fixture:".length);
  if (salt === "") throw new OptionError("`weights` fixture: lacks its salt; write fixture:v1 for the goldens' values");
  if (!model) throw new OptionError(`${weights} fits every model; name one with \`model\``);
  const raw = new Weights(new Map<string, NamedSource>());
  const under = (open: Graph) => raw.withTensors(fixtureWeights(open, salt).tensors);
  return describe(model, { name: weights, raw, under }, options);
}

/** Weights whose tensors get their names once the model is known. */
interface Unnamed {
  readonly name: string;
  readonly raw: Weights;
  under(open: Graph): Weights;
}

async function describe({ name, spec: asked }: Model, weights: Unnamed, options: PrepareOptions): Promise<Identified> {
  const { raw } = weights;
  const keras = await kerasNetwork(raw);
  const row = withEpsilon(asked, raw.epsilon);
  const preprocessing = preprocessingOf(row, recordedPreprocessing(raw, row, keras), options.preprocessing);
  const input = options.input ?? inputOf(row, preprocessing);
  const model = resnet(row, { name, input });
  const { tensors, notes } = weights.under(model); // names do not depend on classes or input channels
  const fitted = fittedTo(row, model, tensors);
  const spec = fitted.spec;
  const open = spec === row ? model : resnet(spec, { name, input: options.input ?? inputOf(spec, preprocessing) });
  const preprocessingSource = preprocessing && sourceOf(raw, options.preprocessing);
  const labels = await labelsFor(spec, options, raw);
  const labelsSource = labels && labelsSourceOf(options, raw);
  const guesses = [
    ...(preprocessing ? guessNote(weights.name, name, preprocessingSource, keras) : []),
    ...labelsNote(weights.name, name, labels, labelsSource),
    ...otherLabelsNote(weights, spec, options),
  ];
  return {
    model: name,
    weights: weights.name,
    spec,
    open,
    tensors,
    recordedModel: raw.model,
    preprocessing,
    preprocessingSource,
    activation: raw.activation ?? keras?.activation,
    labels,
    labelsSource,
    notes: [
      ...notes,
      ...fitted.notes,
      ...epsilonNote(name, asked, row),
      ...otherModelNote(weights, name),
      ...(raw.tensors.size > 0 ? guesses : []), // fixtures were not trained
    ],
  };
}

/**
 * The row with the weights' number of classes and input channels, and without a last layer if the weights have none.
 */
function fittedTo(
  row: ResNetSpec,
  model: Graph,
  tensors: NamedSources["tensors"],
): { readonly spec: ResNetSpec; readonly notes: readonly string[] } {
  const parameters = parametersOf(model);
  const classes = tensors.get("fc.weight")?.shape[0];
  const first = parameters.find(({ shape }) => shape.length === 4);
  const channels = first && tensors.get(first.name)?.shape[1];
  const isHeadless = (row.classes ?? 1000) > 0 && tensors.size > 0 && isWhole(parameters, tensors) && !classes;
  const changes = {
    ...(isHeadless && { classes: 0, softmax: false }),
    ...(classes !== undefined && row.classes !== 0 && classes !== (row.classes ?? 1000) && { classes }),
    ...(channels !== undefined && channels !== first?.shape[1] && { inputChannels: channels }),
  };
  if (Object.keys(changes).length === 0) return { spec: row, notes: [] };
  const note = "the weights have no last layer: the model ends with its features, as `output`";
  return { spec: { ...row, ...changes }, notes: isHeadless ? [note] : [] };
}

/** Whether every parameter is present, except the last layer's. */
function isWhole(parameters: ReturnType<typeof parametersOf>, tensors: NamedSources["tensors"]): boolean {
  return parameters.every(({ name }) => tensors.has(name) !== name.startsWith("fc."));
}

/** The caller's, else the weights', else the model's. Throws OptionError if the caller's are not one per class. */
async function labelsFor(
  spec: ResNetSpec,
  { labels: given }: PrepareOptions,
  { labels: recorded }: Weights,
): Promise<readonly string[] | undefined> {
  const { classes = 1000 } = spec;
  if (!given) return labelsOf(recorded ? { ...spec, labels: recorded } : spec);
  if (given.length === classes && given.every((label) => typeof label === "string")) return given;
  throw new OptionError(
    `\`labels\` has ${counted(given.length, "name")}, and the model ${classes} classes; give one for each`,
  );
}

/** The labels of a caller's own row count as the caller's. */
function labelsSourceOf({ labels, model }: PrepareOptions, raw: Weights): LabelsSource {
  if (labels) return "given";
  if (raw.labelsSource) return raw.labelsSource;
  if (raw.isKnown) return "known weights";
  return typeof model === "object" && !modelNames.some((name) => variants[name] === model) ? "given" : "model";
}

/** An open batch with the preprocessing's crop; a model that does not read pictures has its own size. */
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

/** The model of weights: from metadata, from a known name, or by names and shapes. */
async function modelFor(name: string, weights: Weights): Promise<Model & Pick<Identified, "notes">> {
  const { model, metadata } = weights;
  if (metadata.arch !== undefined && relatives.test(metadata.arch)) refuseModel(name, metadata.arch);
  if (model === undefined)
    return weights.spec ? { name: "resnet", spec: weights.spec, notes: [] } : recognizedModel(name, weights);
  if (isOtherScheme(weights, model)) return recognizedModel(name, weights);
  if (modelNameOf(model) !== undefined) return { ...modelOf(model), notes: [] };
  return refuseModel(name, model);
}

/** timm's networks with smoothed strides have the names and shapes of models here, but other outputs. */
const relatives = /^(se|eca)?resnex?t(aa|blur)\d/;

function refuseModel(name: string, model: string): never {
  throw new FormatError(`${name} says it is for ${shown(model)}, an unknown model; name another`);
}

/** Whether the tensors have the names of another model's files than the file's own name suggests. */
function isOtherScheme(weights: Weights, model: string): boolean {
  const { models } = namingScheme(weights);
  return weights.metadata.model === undefined && models !== undefined && !models.test(model);
}

/** The model that weights fit by names and shapes. Models with the same shapes may compute something else. */
async function recognizedModel(name: string, weights: Weights): Promise<Model & Pick<Identified, "notes">> {
  const mismatch = weights.graph?.mismatch;
  if (mismatch !== undefined) throw new WeightsError(`${name}: its graph fits no known model: ${mismatch}`);
  const { differenceText, recognitionOf } = await import("./fitting.ts"); // most files name their model
  const recognition = recognitionOf(weights);
  const said = recognition.models.find((each) => each === modelNameOf(weights.metadata.arch ?? ""));
  const [model, ...others] = said === undefined ? recognition.models : [said];
  const { size } = weights.tensors;
  if (model === undefined) {
    const tensors = size === 1 ? "one tensor" : `${size} tensors`;
    throw new WeightsError(`${name}: no model here has its ${tensors}: ${differenceText(recognition)}`);
  }
  const spec: ResNetSpec = variants[model];
  const alone = weights.graph ? [] : weightsAloneNote(name, model, recognition.scheme);
  if (others.length === 0) return { name: model, spec, notes: alone };
  const alike = `weights of ${model} and ${others.slice(0, 3).join(" and ")} look alike`;
  if (spec.classes === 0) throw new OptionError(`${name}: ${alike}; name the model with \`model\``);
  return {
    name: model,
    spec,
    notes: [...alone, `${name}: ${alike}; ${model} is taken; name the model to take another`],
  };
}

/** Keras numbers the layers of all networks alike, so names and shapes do not identify the model. */
function weightsAloneNote(file: string, model: string, scheme: string): readonly string[] {
  if (scheme !== "keras-numbered") return [];
  return [
    `the model is guessed: ${file} holds weights alone, in the shapes of ${model}; ` +
      "padding, activations and epsilon may be others. A file of the whole model (model.save in Keras) tells them",
  ];
}

/** The weights that ship for a model. Nothing is downloaded unless asked for. */
async function weightsFor(model: Model | undefined): Promise<string> {
  const name = model && modelNameOf(model.name);
  if (!model || name === shippedWeights.model) return shippedWeights.name;
  const best = name && (await bestWeightsFor(name));
  const download = best ? `${name} to download ${best.name} once, ` : "";
  throw new OptionError(
    `no weights ship for ${model.name}; give \`weights\` ${download}a file, or fixture:v1 to try it without any`,
  );
}

/**
 * The preprocessing of the weights, else of the model, with the caller's changes. Undefined if nothing of it is known.
 *
 * Throws FormatError if a part is missing or invalid.
 */
export function preprocessingOf(
  spec: ResNetSpec,
  recorded: Preprocessing | undefined,
  changes: Partial<Preprocessing> = {},
): Preprocessing | undefined {
  const known = recorded ?? spec.preprocessing;
  return known || Object.keys(changes).length > 0 ? checkPreprocessing({ ...known, ...changes }) : undefined;
}

/**
 * The weights' preprocessing, with scale, mean and std from Keras' Rescaling and Normalization layers, which the
 * model's graph does not contain.
 */
export function recordedPreprocessing(
  { preprocessing: recorded }: Pick<Weights, "preprocessing">,
  row: ResNetSpec,
  keras: KerasNetwork | undefined,
): Preprocessing | undefined {
  if (!keras?.rescaling) return recorded;
  const { layers: _, side, ...colours } = keras.rescaling;
  const sides = side === undefined ? undefined : { resize: side, crop: side };
  const base = recorded ?? row.preprocessing ?? (sides && { ...sides, interpolation: "bilinear" as const });
  return base && { ...base, ...sides, ...colours };
}

function sourceOf(raw: Weights, changes: Partial<Preprocessing> = {}): PreprocessingSource {
  const parts = ["resize", "crop", "interpolation", "scale", "mean", "std"] as const;
  return parts.every((part) => changes[part] !== undefined) ? "given" : (raw.preprocessingSource ?? "model");
}

/** Models that differ only in strides or padding: each reads the other's weights, but gives other outputs. */
function otherModelNote({ name, raw: { model: recorded } }: Unnamed, model: string): string[] {
  const asked = modelNameOf(model); // undefined for a row of the caller's own
  if (recorded === undefined || asked === undefined || modelNameOf(recorded) === asked) return [];
  return [`${name} is for ${shown(recorded)}, and ${model} was asked for`];
}

/** Names and shapes do not show an epsilon: the file's own was used in training. */
function epsilonNote(model: string, { epsilon: asked = 1e-5 }: ResNetSpec, { epsilon = 1e-5 }: ResNetSpec): string[] {
  if (epsilon === asked) return [];
  return [`the file's norms have an epsilon of ${epsilon}, which is taken; those of ${model} have ${asked}`];
}

/** Weights without recorded preprocessing may have been trained with another than the model's. */
function guessNote(
  weights: string,
  model: string,
  source: PreprocessingSource | undefined,
  keras: KerasNetwork | undefined,
): string[] {
  if (source === "given") return [];
  const layers = keras?.rescaling?.layers.map((layer) => shown(layer));
  if (layers)
    return [
      `preprocessing is guessed in part: ${weights} scales pictures by its ${listOf(layers)}, ` +
        "which becomes scale, mean and std; nothing in it says how they were resized. " +
        `A tensor is taken as it comes out of ${layers.at(-1)}`,
    ];
  if (source === "guess") return [`preprocessing is guessed: that in ${weights} was a guess when the file was written`];
  if (!isGuess(source)) return [];
  const taken = source === "model" ? `that of the model ${model} is taken` : "it is taken from the file's name";
  return [`preprocessing is guessed: nothing in ${weights} says how pictures were prepared, so ${taken}`];
}

/** A network with the model's number of classes may have been trained on other classes. */
function labelsNote(
  weights: string,
  model: string,
  labels: readonly string[] = [],
  source: LabelsSource | undefined,
): string[] {
  if (!isGuess(source)) return [];
  const found =
    source === "guess"
      ? `: those in ${weights} were a guess when the file was written`
      : `: nothing in ${weights} names its ${labels.length} classes, so those of the model ${model} are taken`;
  return [`labels are guessed${found}; give \`labels\` (--labels FILE) where they are others`];
}

/** A list of the wrong length is left out, with a note. */
function otherLabelsNote(
  { name, raw: { labels } }: Unnamed,
  spec: ResNetSpec,
  { labels: given }: PrepareOptions,
): string[] {
  const { classes = 1000 } = spec;
  if (given || !labels || labels.length === classes || classes === 0) return [];
  const named = counted(labels.length, "class", "classes");
  const found = `${name}: found names for ${named}, and the last layer has ${classes}`;
  return [`${found}: the names are left out; give \`labels\` (--labels FILE) with a name for each`];
}

function listOf(layers: readonly string[]): string {
  return `${layers.length === 1 ? "layer" : "layers"} ${layers.join(" and ")}`;
}
