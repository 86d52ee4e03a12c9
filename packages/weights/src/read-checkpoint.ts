import {
  FormatError,
  formatShape,
  isTensor,
  type NamedSource,
  readTensor,
  shortList,
  sizeOf,
  UnsupportedError,
} from "@residual/core";
import { pathOf, readBytes } from "@residual/kit/bytes";
import type {
  AdamWGroup,
  AdamWMoments,
  OptimizerState,
  PyTorchCheckpoint,
  SgdGroup,
  SgdMoments,
} from "./checkpoint.ts";
import { quote } from "./json-reader.ts";
import type { ReadingOptions } from "./layout.ts";
import { numberedParameters } from "./numbered-parameters.ts";
import type { TorchGroup, TorchOptimizer } from "./pytorch/optimizer.ts";
import { readWeights } from "./read-weights.ts";
import type { ReadWeightsOptions, WeightsSource } from "./reader.ts";
import type { Weights } from "./weights.ts";

/**
 * Reads a training run's state from a PyTorch file: the network as `readWeights` does, and the state of its optimizer,
 * `torch.optim.SGD` or `torch.optim.AdamW`, by the network's names. With `options.graph` these are the graph's.
 *
 * An optimizer of PyTorch numbers its parameters. Number i is the i-th of `param_names` where the file has them, as for
 * an optimizer made with `net.named_parameters()`, else the i-th parameter of the network. For several groups without
 * names, the groups are consecutive parameters, or matrices apart from vectors, whichever fits the shapes.
 *
 * Throws the errors of `readWeights`; UnsupportedError for another optimizer, for settings that SGD and AdamW here do
 * not have (`maximize`, `amsgrad`), and where the order of parameters is unclear; FormatError if the state does not fit
 * the network.
 */
export async function readPyTorchCheckpoint(
  source: WeightsSource,
  options: ReadWeightsOptions = {},
): Promise<PyTorchCheckpoint> {
  const held = await heldTwice(source, options);
  const weights = await readWeights(held, options);
  const name = weights.stored?.name ?? "the given weights";
  if (!weights.stored?.format.startsWith("PyTorch"))
    throw new UnsupportedError(
      `${name}: found ${weights.stored?.format ?? "weights"}, which holds no optimizer; give a PyTorch checkpoint`,
    );
  const { graph: _, prefix: __, ...others } = options;
  const reading: ReadWeightsOptions & ReadingOptions = { ...others, part: "optimizer" };
  const state = await readWeights(held, reading);
  const found = JSON.parse(state.metadata.optimizer!) as Partial<TorchOptimizer> & { counts: Counts };
  const { epoch, step } = found.counts;
  try {
    const optimizer = found.groups ? await optimizerOf(found as TorchOptimizer, state, weights) : undefined;
    return { weights, optimizer, epoch, step };
  } catch (error) {
    if (error instanceof FormatError || error instanceof UnsupportedError) error.message = `${name}: ${error.message}`;
    throw error;
  }
}

interface Counts {
  readonly epoch?: number;
  readonly step?: number;
}

/** A source that can be read twice: a path, or bytes. */
async function heldTwice(source: WeightsSource, options: ReadWeightsOptions): Promise<WeightsSource> {
  if (typeof source === "string" || (await pathOf(source)) !== undefined) return source;
  const { signal, onProgress, maxBytes } = options;
  return readBytes(source, { signal, onProgress, maxBytes, name: "the given weights", stage: "read weights" });
}

async function optimizerOf(found: TorchOptimizer, state: Weights, weights: Weights): Promise<OptimizerState> {
  const slots = slotsOf(found, state);
  const names = numberedParameters(found.groups, slots, weights);
  const groups = found.groups.map((group) => ({ names: group.params.map((index) => names.get(index)!), group }));
  const momenta = [...slots].map(([index, held]) => {
    const name = names.get(index);
    if (name === undefined) throw new FormatError(`the optimizer has state of parameter ${index}, which no group has`);
    return { name, held };
  });
  if (found.groups.every(({ settings }) => "amsgrad" in settings)) {
    const known = groups.map(({ names, group }) => adamWGroup(names, group));
    const entries = momenta.map(async ({ name, held }) => [name, await adamWMoments(name, held)] as const);
    return { kind: "adamw", groups: known, momenta: new Map(await Promise.all(entries)) };
  }
  const known = groups.map(({ names, group }) => sgdGroup(names, group));
  const entries = momenta.flatMap(({ name, held }) => {
    const moments = sgdMoments(name, held);
    return moments ? [[name, moments] as const] : [];
  });
  return { kind: "sgd", groups: known, momenta: new Map(entries) };
}

/** What the optimizer keeps of a parameter, by PyTorch's names. */
type Slots = ReadonlyMap<string, NamedSource | number>;

/** The slots of each parameter, by its number. */
function slotsOf({ numbers }: TorchOptimizer, { tensors }: Weights): ReadonlyMap<number, Slots> {
  const found = new Map<number, Map<string, NamedSource | number>>();
  for (const [key, value] of [...tensors, ...Object.entries(numbers)]) {
    const dot = key.indexOf(".");
    const index = Number(key.slice(0, dot));
    const slots = found.get(index) ?? new Map<string, NamedSource | number>();
    found.set(index, slots.set(key.slice(dot + 1), value));
  }
  return found;
}

const wayOut = "take torch.optim.SGD or torch.optim.AdamW, or convert the weights alone";

/** Refuses slots of other optimizers. */
function checkSlots(name: string, slots: Slots, known: readonly string[]): void {
  const other = [...slots.keys()].filter((slot) => !known.includes(slot));
  if (other.length === 0) return;
  throw new UnsupportedError(`the optimizer keeps ${shortList(other.map(quote))} of ${quote(name)}; ${wayOut}`);
}

function sgdMoments(name: string, slots: Slots): SgdMoments | undefined {
  checkSlots(name, slots, ["momentum_buffer"]);
  const momentumBuffer = slots.get("momentum_buffer");
  return momentumBuffer === undefined ? undefined : { momentumBuffer: tensorIn(slots, "momentum_buffer", name) };
}

async function adamWMoments(name: string, slots: Slots): Promise<AdamWMoments> {
  checkSlots(name, slots, ["step", "exp_avg", "exp_avg_sq"]);
  const [expAvg, expAvgSq] = [tensorIn(slots, "exp_avg", name), tensorIn(slots, "exp_avg_sq", name)];
  return { step: await stepOf(slots.get("step"), name), expAvg, expAvgSq };
}

function tensorIn(slots: Slots, slot: string, name: string): NamedSource {
  const found = slots.get(slot);
  if (typeof found === "object") return found;
  throw new FormatError(`the optimizer's ${slot} of ${quote(name)}: found ${found ?? "none"}, expected a tensor`);
}

/** The steps so far: a number, or a tensor of one number. */
async function stepOf(found: NamedSource | number | undefined, name: string): Promise<number> {
  const isOne = typeof found === "object" && sizeOf(found.shape) === 1;
  const step = isOne ? Number((isTensor(found) ? found : await readTensor(found)).data[0]) : found;
  if (typeof step === "number" && Number.isSafeInteger(step) && step >= 0) return step;
  const shown = typeof found === "object" ? formatShape(found.shape) : String(found);
  throw new FormatError(`the optimizer's step of ${quote(name)}: found ${shown}, expected a whole number from 0`);
}

function sgdGroup(names: readonly string[], { settings }: TorchGroup): SgdGroup {
  if (!("nesterov" in settings))
    // only SGD has it, as only Adam and AdamW have amsgrad
    throw new UnsupportedError(`the optimizer has the settings ${shortList(Object.keys(settings))}; ${wayOut}`);
  refuseSet(settings, "maximize");
  const [lr, momentum] = [numberIn(settings, "lr"), numberIn(settings, "momentum")];
  const dampening = settings.dampening === undefined ? 0 : numberIn(settings, "dampening");
  const nesterov = settings.nesterov === true;
  return { names, lr, momentum, dampening, weightDecay: numberIn(settings, "weight_decay"), nesterov };
}

function adamWGroup(names: readonly string[], { settings }: TorchGroup): AdamWGroup {
  refuseSet(settings, "maximize");
  refuseSet(settings, "amsgrad");
  const weightDecay = numberIn(settings, "weight_decay");
  // files of older versions do not have it, and so do not tell Adam from AdamW
  if (settings.decoupled_weight_decay === false && weightDecay !== 0)
    throw new UnsupportedError(`the optimizer is Adam, whose weight decay goes into its gradients; ${wayOut}`);
  const { betas } = settings;
  if (!Array.isArray(betas) || betas.length !== 2)
    throw new FormatError(`the optimizer's betas: found ${String(betas)}, expected two numbers`);
  const [first, second] = betas as [number, number];
  return { names, lr: numberIn(settings, "lr"), betas: [first, second], eps: numberIn(settings, "eps"), weightDecay };
}

function refuseSet(settings: TorchGroup["settings"], name: string): void {
  if (settings[name] === true) throw new UnsupportedError(`the optimizer has ${name} set; ${wayOut}`);
}

function numberIn(settings: TorchGroup["settings"], name: string): number {
  const found = settings[name];
  if (typeof found === "number") return found;
  throw new FormatError(`the optimizer's ${name}: found ${String(found)}, expected a number`);
}
