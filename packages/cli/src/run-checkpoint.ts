import { existsSync } from "node:fs";
import { dirname, extname, join } from "node:path";
import type { WorkOptions } from "@residual/core";
import type { Checkpoint } from "@residual/training";
import {
  type AdamWGroup,
  checkpointOfVariables,
  type Metadata,
  type OptimizerSettings,
  readWeights,
  type SgdGroup,
  type Weights,
  writePyTorchCheckpoint,
} from "@residual/weights";

/** Whether weights are the checkpoint of a training run, on their way to PyTorch. */
export function isRunToPyTorch({ metadata }: Weights, to: string): boolean {
  return metadata["residual.checkpoint"] !== undefined && [".pth", ".pt"].includes(extname(to).toLowerCase());
}

/**
 * Writes the checkpoint of a training run as a PyTorch script would: weights, optimizer, epoch and step. Labels and
 * preprocessing come from the weights beside it. Returns the model's name.
 */
export async function writeRunToPyTorch(from: string, to: string, work: WorkOptions): Promise<string | null> {
  const { decodeCheckpoint } = await import("@residual/training"); // no other conversion needs it
  const checkpoint = await decodeCheckpoint(from);
  const metadata = await metadataBeside(from);
  const settings = optimizerOf(checkpoint);
  const state = await checkpointOfVariables(checkpoint.variables, settings ?? { kind: "sgd", groups: [] });
  const { epoch } = checkpoint.state;
  const { weights, optimizer } = state;
  await writePyTorchCheckpoint(to, { weights, optimizer: settings && optimizer, epoch }, metadata, work);
  return metadata.model ?? null;
}

async function metadataBeside(from: string): Promise<Metadata> {
  const path = join(dirname(from), "weights.safetensors");
  return existsSync(path) ? (await readWeights(path)).metadata : {};
}

/** What the flags of the run said of its optimizer; undefined if it has no state yet. */
function optimizerOf({ recipe, state, variables }: Checkpoint): OptimizerSettings | undefined {
  const lr = state.history.at(-1)?.learningRate ?? Number(recipe["--learning-rate"] ?? 0);
  const trained = (memory: string) => [...variables.keys()].filter((name) => variables.has(`${name}.${memory}`));
  const isAdamw = recipe["--optimizer"] === "adamw";
  const names = trained(isAdamw ? "exp_avg" : "momentum_buffer");
  if (names.length === 0) return undefined;
  const decay = recipe["--weight-decay"] as number | undefined;
  // norms and biases, which have one axis, do not decay
  const isWeight = (name: string) => variables.get(name)!.shape.length > 1;
  const parts = [names.filter(isWeight), names.filter((name) => !isWeight(name))];
  if (isAdamw) {
    const groups = parts.map((part, at): AdamWGroup => {
      return { names: part, lr, betas: [0.9, 0.999], eps: 1e-8, weightDecay: at === 0 ? (decay ?? 0.01) : 0 };
    });
    return { kind: "adamw", groups };
  }
  const momentum = Number(recipe["--momentum"]);
  const groups = parts.map((part, at): SgdGroup => {
    return { names: part, lr, momentum, nesterov: true, weightDecay: at === 0 ? (decay ?? 5e-4) : 0 };
  });
  return { kind: "sgd", groups };
}
