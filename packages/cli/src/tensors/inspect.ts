import {
  FormatError,
  modelNameOf,
  type NamedSource,
  type Preprocessing,
  ResidualError,
  type ResNetSpec,
  resnet,
  throwIfAborted,
  UnsupportedError,
  variants,
  type WorkOptions,
} from "@residual/core";
import { shown } from "@residual/kit/bytes";
import { counted } from "@residual/kit/names";
import { recognize, recordedPreprocessing } from "@residual/pipeline";
import { kerasNetwork, namingScheme, toTorchvision, Weights } from "@residual/weights";
import { type Statistics, statisticsOf } from "./statistics.ts";

/** A tensor of a file, under its name there. */
export interface Described extends Statistics {
  readonly name: string;
  /** By PyTorch's names, as it is stored. */
  readonly dtype: string;
  readonly shape: readonly number[];
}

export interface Inspection {
  /** Null for weights that come from no file. */
  readonly format: string | null;
  /** Whose names the tensors have; null where they have no library's. */
  readonly scheme: string | null;
  /** The model that would be run; null where the tensors fit none. */
  readonly model: string | null;
  /** How many classes the last layer has, and whether their names are known, in words. */
  readonly classes: string;
  /** What becomes of pictures, and who says so, in words. */
  readonly preprocessing: string;
  /** All models that the tensors fit. */
  readonly models: readonly string[];
  readonly tensors: readonly Described[];
  readonly metadata: Readonly<Record<string, string>>;
  /** What is wrong, as sentences. */
  readonly problems: readonly string[];
  /** What else people should hear, as sentences. */
  readonly notes: readonly string[];
}

/** Reads all numbers once. Throws FormatError where the file has changed, AbortError. */
export async function inspect(weights: Weights, { signal, onProgress }: WorkOptions): Promise<Inspection> {
  const { format = null, tensors = weights.tensors, dtypes = new Map<string, string>() } = weights.stored ?? {};
  const described: Described[] = [];
  for (const [name, source] of tensors) {
    throwIfAborted(signal);
    onProgress?.({ stage: "look at tensors", done: described.length, total: tensors.size });
    described.push(await describe(name, source, dtypes.get(name) ?? source.dtype));
  }
  const recognition = recognize(weights);
  const { models, nearest } = recognition;
  const said = weights.model === undefined ? undefined : modelNameOf(weights.model);
  const fitting = weights.graph?.mismatch === undefined ? models[0] : undefined; // a graph of another model is refused
  const model = said ?? fitting ?? null;
  const row = model === null ? undefined : variants[modelNameOf(model)!];
  const fitted = row && under(weights, row, model!);
  return {
    format,
    scheme: model === null && nearest === undefined ? null : schemeOf(weights, recognition.scheme),
    classes: row ? classesOf(weights, row, fitted!) : "unknown",
    preprocessing: row ? preprocessingOf(weights, row) : "unknown",
    model,
    models,
    tensors: described,
    metadata: weights.metadata,
    problems: [...described.flatMap(problemsOf), ...misfits(weights, model, recognition), ...badMetadata(weights)],
    notes: [...(fitted ?? weights).notes, ...(said === undefined ? alike(models) : [])],
  };
}

/**
 * The naming scheme of the names in the file; null where it is unknown. A reader that follows a file's graph renames
 * the tensors, so the stored names are looked at.
 */
function schemeOf(weights: Weights, recognized: string): string | null {
  const { graph, stored } = weights;
  if (!graph || !stored) return recognized;
  try {
    const { name } = namingScheme(new Weights(stored.tensors));
    const isOwn = [...stored.tensors.keys()].some((key) => weights.tensors.has(key));
    return name !== "torchvision" || isOwn ? name : null;
  } catch (error) {
    if (error instanceof ResidualError) return null; // two tensors have the same name
    throw error;
  }
}

/** The weights under the names of a model; as they are where they do not fit it, which is told as a problem. */
function under(weights: Weights, row: ResNetSpec, name: string): Weights {
  try {
    return toTorchvision(weights, resnet(row, { name }));
  } catch (error) {
    if (error instanceof ResidualError) return weights;
    throw error;
  }
}

function classesOf({ labels, labelsSource, isKnown }: Weights, row: ResNetSpec, { tensors }: Weights): string {
  const count = tensors.get("fc.weight")?.shape[0];
  if (count === undefined)
    return (row.classes ?? 1000) === 0 ? "none: the model ends with features" : "none: the last layer is missing";
  if (labels?.length === count) return `${count}, named in the file${labelsSource === "guess" ? " by a guess" : ""}`;
  if (labels) return `${count}, without names: the file has ${counted(labels.length, "name")}`;
  const own = row.labels !== undefined && count === (row.classes ?? 1000);
  if (!own) return `${count}, without names`;
  return `${count}, named by the model${isKnown ? "" : ", which is a guess"}`;
}

function preprocessingOf(weights: Weights, row: ResNetSpec): string {
  let said: Preprocessing | undefined;
  let keras: ReturnType<typeof kerasNetwork>;
  try {
    keras = kerasNetwork(weights);
    said = recordedPreprocessing(weights, row, keras);
  } catch (error) {
    if (error instanceof FormatError) return "malformed in the file";
    if (error instanceof UnsupportedError) return "by layers of the file that scale, mean and std cannot express";
    throw error;
  }
  const found = said ?? row.preprocessing;
  if (!found) return "unknown";
  const { resize, crop, interpolation, scale, mean, std, channels = "rgb" } = found;
  const source = {
    weights: "by the file",
    "known weights": "by its numbers",
    "file name": "a guess by its name",
    guess: "a guess when the file was written",
  };
  const by = weights.preprocessingSource === undefined ? "a guess by the model" : source[weights.preprocessingSource];
  const sizes = `resize ${resize} (${interpolation}), crop ${crop}`;
  const colours = `/ ${scale}, mean ${mean.join(" ")}, std ${std.join(" ")}${channels === "bgr" ? ", blue first" : ""}`;
  const layers = keras?.rescaling?.layers.map((layer) => shown(layer)).join(" and ");
  return `${sizes}, ${colours}: ${layers === undefined ? by : `colours by the file's ${layers}, the rest ${by}`}`;
}

async function describe(name: string, source: NamedSource, dtype: string): Promise<Described> {
  return { name, dtype, shape: source.shape, ...(await statisticsOf(source)) };
}

function problemsOf({ name, min, nonFinite }: Described): readonly string[] {
  const unfit =
    nonFinite > 0 ? [`${name} has ${counted(nonFinite, "number that is", "numbers that are")} NaN or infinite`] : [];
  const isVariance = /(running_var|moving_variance)(:0)?$/.test(name);
  return isVariance && min !== null && min < 0 ? [...unfit, `${name} is a variance, and has ${min}`] : unfit;
}

function misfits(
  weights: Weights,
  model: string | null,
  { models, nearest, refusal }: Omit<ReturnType<typeof recognize>, "models"> & { readonly models: readonly string[] },
): readonly string[] {
  const mismatch = weights.graph?.mismatch;
  if (mismatch !== undefined) return [`its graph is that of no model here: ${mismatch}`];
  if (models.length === 0) {
    if (refusal !== undefined) return [refusal];
    if (!nearest) return ["its tensors fit no model here"];
    const { missing, leftOver, misshapen } = nearest;
    const counts = [
      `${counted(missing.length, "tensor")} missing`,
      `${leftOver.length} left over`,
      `${misshapen.length} of another shape`,
    ];
    return [`its tensors fit no model here; they come nearest to ${nearest.model}: ${counts.join(", ")}`];
  }
  if (model === null || models.includes(model)) return [];
  return [`it says that it is for ${model}, and its tensors fit ${models.slice(0, 3).join(", ")}`];
}

function badMetadata(weights: Weights): readonly string[] {
  const { model } = weights.metadata;
  const unknown =
    model !== undefined && modelNameOf(model) === undefined
      ? [`it says that it is for ${model}, which is no model here`]
      : [];
  try {
    void weights.preprocessing;
    void kerasNetwork(weights);
    return unknown;
  } catch (error) {
    if (error instanceof FormatError || error instanceof UnsupportedError) return [...unknown, error.message];
    throw error;
  }
}

function alike([first, ...others]: readonly string[]): readonly string[] {
  if (first === undefined || others.length === 0) return [];
  return [`weights of ${[first, ...others].join(", ")} look alike; ${first} is taken where no model is named`];
}
