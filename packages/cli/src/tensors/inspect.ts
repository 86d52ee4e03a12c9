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
import { type Recognition, recognize, recordedPreprocessing } from "@residual/pipeline";
import { kerasNetwork, namingScheme, toTorchvision, Weights } from "@residual/weights";
import { type Statistics, statisticsOf } from "./statistics.ts";

/** A tensor of a file, with its name there. */
export interface Described extends Statistics {
  readonly name: string;
  /** The dtype as stored, in PyTorch's names. */
  readonly dtype: string;
  readonly shape: readonly number[];
}

export interface Inspection {
  /** Null for weights that do not come from a file. */
  readonly format: string | null;
  /** The library whose names the tensors have; null if unknown. */
  readonly scheme: string | null;
  /** The model that would be run; null if the tensors fit none. */
  readonly model: string | null;
  /** The number of classes of the last layer, and whether their names are known, as a text. */
  readonly classes: string;
  /** The preprocessing and its source, as a text. */
  readonly preprocessing: string;
  /** All models that the tensors fit. */
  readonly models: readonly string[];
  readonly tensors: readonly Described[];
  readonly metadata: Readonly<Record<string, string>>;
  /** Problems, as sentences. */
  readonly problems: readonly string[];
  /** Notes for the user, as sentences. */
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
  const recognition = await recognize(weights);
  const { models, nearest } = recognition;
  const said = weights.model === undefined ? undefined : modelNameOf(weights.model);
  const fitting = weights.graph?.mismatch === undefined ? models[0] : undefined;
  const model = said ?? fitting ?? null;
  const row = model === null ? undefined : variants[modelNameOf(model)!];
  const fitted = row && under(weights, row, model!);
  return {
    format,
    scheme: model === null && nearest === undefined ? null : schemeOf(weights, recognition.scheme),
    classes: row ? classesOf(weights, row, fitted!) : "unknown",
    preprocessing: row ? await preprocessingOf(weights, row) : "unknown",
    model,
    models,
    tensors: described,
    metadata: weights.metadata,
    problems: [
      ...described.flatMap(problemsOf),
      ...misfits(weights, model, recognition),
      ...(await badMetadata(weights)),
    ],
    notes: [...(fitted ?? weights).notes, ...(said === undefined ? alike(models) : [])],
  };
}

/**
 * The naming scheme of the names in the file; null if unknown. A reader that follows a file's graph renames the
 * tensors, so the stored names are checked.
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

/** The weights with the names of a model; unchanged if they do not fit, which is listed as a problem. */
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

async function preprocessingOf(weights: Weights, row: ResNetSpec): Promise<string> {
  let said: Preprocessing | undefined;
  let keras: Awaited<ReturnType<typeof kerasNetwork>>;
  try {
    keras = await kerasNetwork(weights);
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
  { models, nearest, refusal }: Omit<Recognition, "models"> & { readonly models: readonly string[] },
): readonly string[] {
  const mismatch = weights.graph?.mismatch;
  if (mismatch !== undefined) return [`its graph fits no known model: ${mismatch}`];
  if (models.length === 0) {
    if (refusal !== undefined) return [refusal];
    if (!nearest) return ["its tensors fit no known model"];
    const { missing, leftOver, misshapen } = nearest;
    const counts = [
      `${counted(missing.length, "tensor")} missing`,
      `${leftOver.length} left over`,
      `${misshapen.length} of another shape`,
    ];
    return [`its tensors fit no known model; they come nearest to ${nearest.model}: ${counts.join(", ")}`];
  }
  if (model === null || models.includes(model)) return [];
  return [`it says that it is for ${model}, and its tensors fit ${models.slice(0, 3).join(", ")}`];
}

async function badMetadata(weights: Weights): Promise<readonly string[]> {
  const { model } = weights.metadata;
  const unknown =
    model !== undefined && modelNameOf(model) === undefined
      ? [`it says that it is for ${model}, an unknown model`]
      : [];
  try {
    void weights.preprocessing;
    await kerasNetwork(weights);
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
