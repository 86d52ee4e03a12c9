import { FormatError, type RealTensor, type Tensor } from "@residual/core";
import { nameOf } from "@residual/kit/bytes";
import { OptionError } from "@residual/pipeline";
import { encodeSafetensors, readTensors, readWeights, type WeightsSource } from "@residual/weights";
import { sha256 } from "./digest.ts";
import type { TrainingState } from "./state.ts";

/** Facts that a run shares with all its checkpoints. A run goes on only from a checkpoint with the same ones. */
export type Recipe = { readonly [name: string]: unknown };

/** All that a run needs to go on to the same bits. */
export interface Checkpoint {
  readonly recipe: Recipe;
  readonly state: TrainingState;
  /** The variables of the training step: weights, running statistics, and the optimizer's. */
  readonly variables: ReadonlyMap<string, RealTensor>;
}

/** Changes with the meaning of the file. */
const VERSION = "1";

/**
 * A checkpoint as the pieces of a safetensors file. The metadata hold recipe and state as JSON, and a SHA-256 digest of
 * them and of all numbers.
 */
export async function encodeCheckpoint({ recipe, state, variables }: Checkpoint): Promise<readonly Uint8Array[]> {
  const texts = { recipe: JSON.stringify(recipe), state: stateText(state) };
  const metadata = { "residual.checkpoint": VERSION, ...texts, digest: await digestOf(texts, variables) };
  return encodeSafetensors(variables, metadata);
}

/**
 * Reads a checkpoint. Throws FormatError for a file that is no checkpoint, of another version, or damaged.
 */
export async function decodeCheckpoint(source: WeightsSource): Promise<Checkpoint> {
  const name = nameOf(source, "the checkpoint");
  const { tensors, metadata } = await readTensors(await readWeights(source));
  const { recipe, state, digest } = metadata;
  const version = metadata["residual.checkpoint"];
  if (recipe === undefined || state === undefined || digest === undefined || version === undefined)
    throw new FormatError(`${name}: found no checkpoint of a training run; give the file that a run has written`);
  if (version !== VERSION)
    throw new FormatError(`${name}: found a checkpoint of version ${version}, expected ${VERSION}; use its Residual`);
  const variables = new Map<string, RealTensor>();
  for (const [variable, tensor] of tensors) {
    if (!isReal(tensor))
      throw new FormatError(`${name}: found ${variable} of ${tensor.dtype}, expected float32; it is damaged`);
    variables.set(variable, tensor);
  }
  if (digest !== (await digestOf({ recipe, state }, variables)))
    throw new FormatError(`${name}: its digest is not that of its contents; the file is damaged: go on from a copy`);
  return { recipe: JSON.parse(recipe) as Recipe, state: JSON.parse(state) as TrainingState, variables };
}

/** Variables have real numbers, while files may hold counters as well. */
export function isReal(tensor: Tensor): tensor is RealTensor {
  return tensor.dtype === "float32" || tensor.dtype === "float64";
}

/** The fields in one order: equal states are the same text, whether the run was interrupted or not. */
function stateText({ epoch, batch, sums, history, best, unreadable }: TrainingState): string {
  return JSON.stringify({ epoch, batch, sums, history, best, unreadable });
}

/** Over the digests of the tensors, so that no copy of all is made. */
async function digestOf(
  { recipe, state }: { readonly recipe: string; readonly state: string },
  variables: ReadonlyMap<string, Tensor>,
): Promise<string> {
  const lines = [recipe, state];
  for (const [name, { dtype, shape, data }] of variables)
    lines.push(`${name} ${dtype} ${shape.join("x")} ${await sha256(data)}`);
  return sha256(lines.join("\n"));
}

/**
 * Throws OptionError if a checkpoint is of another run than the options describe. The message names what differs: the
 * caller's own facts, or if those are the same, what the run is made of.
 */
export function checkRecipe(own: Recipe, found: Recipe, facts: Recipe = {}): void {
  const differences = differencesOf(own, found);
  if (differences.length === 0) return;
  const named = differences.filter((name) => name in facts);
  throw new OptionError(
    `the checkpoint is of another run: it differs in ${(named.length > 0 ? named : differences).join(", ")}; ` +
      "give the options that it was begun with, or another folder",
  );
}

function differencesOf(a: Recipe, b: Recipe): readonly string[] {
  const names = [...new Set([...Object.keys(a), ...Object.keys(b)])];
  return names.filter((name) => JSON.stringify(a[name]) !== JSON.stringify(b[name]));
}
