import { FormatError, modelNameOf, type NamedSource, throwIfAborted, type WorkOptions } from "@residual/core";
import { recognize } from "@residual/pipeline";
import type { Weights } from "@residual/weights";
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
  /** Whose names the tensors have. */
  readonly scheme: string;
  /** The model that would be run; null where the tensors fit none. */
  readonly model: string | null;
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
  const { scheme, models, nearest } = recognize(weights);
  const said = weights.model === undefined ? undefined : modelNameOf(weights.model);
  const model = said ?? models[0] ?? null;
  return {
    format,
    scheme,
    model,
    models,
    tensors: described,
    metadata: weights.metadata,
    problems: [...described.flatMap(problemsOf), ...misfits(weights, model, models, nearest), ...badMetadata(weights)],
    notes: [...weights.notes, ...(said === undefined ? alike(models) : [])],
  };
}

async function describe(name: string, source: NamedSource, dtype: string): Promise<Described> {
  return { name, dtype, shape: source.shape, ...(await statisticsOf(source)) };
}

function problemsOf({ name, min, nonFinite }: Described): readonly string[] {
  const unfit = nonFinite > 0 ? [`${name} has ${nonFinite} numbers that are NaN or infinite`] : [];
  const isVariance = /(running_var|moving_variance)(:0)?$/.test(name);
  return isVariance && min !== null && min < 0 ? [...unfit, `${name} is a variance, and has ${min}`] : unfit;
}

function misfits(
  weights: Weights,
  model: string | null,
  models: readonly string[],
  nearest: ReturnType<typeof recognize>["nearest"],
): readonly string[] {
  const mismatch = weights.graph?.mismatch;
  if (mismatch !== undefined) return [`its graph is that of no model here: ${mismatch}`];
  if (models.length === 0) {
    if (!nearest) return ["its tensors fit no model here"];
    const { missing, leftOver, misshapen } = nearest;
    const counts = [
      `${missing.length} tensors missing`,
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
    return unknown;
  } catch (error) {
    if (error instanceof FormatError) return [...unknown, error.message];
    throw error;
  }
}

function alike([first, ...others]: readonly string[]): readonly string[] {
  if (first === undefined || others.length === 0) return [];
  return [`weights of ${[first, ...others].join(", ")} look alike; ${first} is taken where no model is named`];
}
