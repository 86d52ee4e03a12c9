import { type NamedSource, readTensor, sizeOf, type Tensor, tensorOf, UnsupportedError } from "@residual/core";
import type { AdamWGroup, AdamWMoments, PyTorchCheckpoint, SgdGroup, SgdMoments } from "./checkpoint.ts";
import type { NewCheckpoint } from "./write-checkpoint.ts";

/** Settings of an optimizer, without its memory. */
export type OptimizerSettings =
  | { readonly kind: "sgd"; readonly groups: readonly SgdGroup[] }
  | { readonly kind: "adamw"; readonly groups: readonly AdamWGroup[] };

/** Variables of a training step, by their names. */
type Variables = ReadonlyMap<string, NamedSource>;

/**
 * The checkpoint for the variables of a training step: weights and running statistics under their own names, SGD's
 * memory of `fc.weight` as `fc.weight.momentum_buffer`, AdamW's as `fc.weight.exp_avg` and `fc.weight.exp_avg_sq` with
 * the number of steps in `step`. Other variables of a step (averages of weights, sums of gradients) are left out.
 */
export async function checkpointOfVariables(
  variables: Variables,
  settings: OptimizerSettings,
): Promise<Pick<NewCheckpoint, "weights" | "optimizer">> {
  const names = settings.groups.flatMap((group) => group.names);
  const weights = new Map([...variables].filter(([name]) => !isOfStep(name, variables)));
  if (settings.kind === "sgd") {
    const entries = names.flatMap((name): [string, SgdMoments][] => {
      const momentumBuffer = variables.get(`${name}.momentum_buffer`);
      return momentumBuffer ? [[name, { momentumBuffer }]] : [];
    });
    return { weights, optimizer: { ...settings, momenta: new Map(entries) } };
  }
  const steps = variables.get("step");
  const step = steps ? Number((await readTensor(steps)).data[0]) : 0;
  const entries = names.flatMap((name): [string, AdamWMoments][] => {
    const [expAvg, expAvgSq] = [variables.get(`${name}.exp_avg`), variables.get(`${name}.exp_avg_sq`)];
    return expAvg && expAvgSq ? [[name, { step, expAvg, expAvgSq }]] : [];
  });
  return { weights, optimizer: { ...settings, momenta: new Map(entries) } };
}

const ofParameter = /\.(momentum_buffer|exp_avg|exp_avg_sq|ema|gradient_sum)$/;

/** Whether a variable is the step's own, and no weight. */
function isOfStep(name: string, variables: Variables): boolean {
  const isOfOne = ofParameter.test(name) && variables.has(name.replace(ofParameter, ""));
  return isOfOne || name === "step" || name.startsWith("adamw.");
}

/**
 * The variables of a training step for a checkpoint, as `checkpointOfVariables` takes them. A parameter without memory
 * gets zeros. Counters of norms are left out.
 *
 * Throws UnsupportedError if AdamW's groups have several betas, or its parameters several numbers of steps: a training
 * step has one for all.
 */
export function variablesOfCheckpoint({
  weights,
  optimizer,
}: Pick<PyTorchCheckpoint, "weights" | "optimizer">): Variables {
  const variables = new Map([...weights.tensors].filter(([name]) => !name.endsWith("num_batches_tracked")));
  const zerosLike = (name: string) => zeros(variables.get(name)!.shape);
  if (optimizer?.kind === "sgd")
    for (const { names, momentum } of optimizer.groups)
      for (const name of momentum > 0 ? names : [])
        variables.set(`${name}.momentum_buffer`, optimizer.momenta.get(name)?.momentumBuffer ?? zerosLike(name));
  if (optimizer?.kind !== "adamw") return variables;
  const step =
    onlyOf(
      "step",
      [...optimizer.momenta.values()].map((moments) => moments.step),
    ) ?? 0;
  const [first, second] = [0, 1].map(
    (at) =>
      onlyOf(
        "beta",
        optimizer.groups.map(({ betas }) => betas[at]!),
      ) ?? 0,
  );
  variables.set("step", scalar(step));
  variables.set("adamw.mean_weight", scalar(1 - first! ** step));
  variables.set("adamw.square_weight", scalar(1 - second! ** step));
  for (const name of optimizer.groups.flatMap((group) => group.names)) {
    const moments = optimizer.momenta.get(name);
    variables.set(`${name}.exp_avg`, moments?.expAvg ?? zerosLike(name));
    variables.set(`${name}.exp_avg_sq`, moments?.expAvgSq ?? zerosLike(name));
  }
  return variables;
}

function onlyOf(what: string, values: readonly number[]): number | undefined {
  const [first] = values;
  const other = values.find((value) => value !== first);
  if (other === undefined) return first;
  throw new UnsupportedError(
    `AdamW has parameters with the ${what} ${first} and others with ${other}, expected one for all; ` +
      "go on from the weights alone",
  );
}

function scalar(value: number): Tensor<"float32"> {
  return tensorOf("float32", [], Float32Array.of(value));
}

function zeros(shape: readonly number[]): Tensor<"float32"> {
  return tensorOf("float32", shape, new Float32Array(sizeOf(shape)));
}
