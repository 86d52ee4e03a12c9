import {
  FormatError,
  formatShape,
  type NamedSource,
  readPreprocessing,
  type Tensor,
  tensorOf,
  type WorkOptions,
} from "@residual/core";
import type { AdamWGroup, OptimizerState, SgdGroup } from "./checkpoint.ts";
import { quote } from "./json-reader.ts";
import { checkedTensors, type Metadata, type Named } from "./named-tensors.ts";
import { OrderedDict, PythonFloat, PythonTuple, type PythonValue } from "./write-pickle.ts";
import { saveTorch } from "./write-pytorch.ts";

/** What `writePyTorchCheckpoint` writes. */
export interface NewCheckpoint {
  /** The network's state_dict. Counters of norms that it lacks are added, as 0. */
  readonly weights: Named<NamedSource>;
  readonly optimizer?: OptimizerState | undefined;
  /** Epochs so far. */
  readonly epoch?: number | undefined;
  /** Steps of the optimizer so far. */
  readonly step?: number | undefined;
}

/**
 * Writes a training run's state as PyTorch's scripts do: `torch.save({"model": …, "optimizer": …, "epoch": …, "step":
 * …}, path)`, where `model` is the network's state_dict, and `optimizer` that of `torch.optim.SGD` or
 * `torch.optim.AdamW`. `torch.load(path, weights_only=True)` reads the file.
 *
 * An optimizer of PyTorch numbers its parameters group by group. So the groups of the optimizer that loads the state
 * need the same parameters in the same order; `param_names` in the file lists them. The model's name, its classes and
 * its preprocessing, if `metadata` have them, become the entries `arch`, `classes` and `preprocessing`.
 *
 * Throws FormatError as `writePyTorch` does, and for an optimizer that does not fit the weights: an unknown or repeated
 * name, a tensor of another shape; AbortError.
 */
export async function writePyTorchCheckpoint(
  path: string,
  { weights, optimizer, epoch, step }: NewCheckpoint,
  metadata: Metadata = {},
  options: WorkOptions = {},
): Promise<void> {
  const state = withCounters(checkedTensors(weights));
  if (optimizer) checkOptimizer(optimizer, state);
  const root = new Map<string, PythonValue>([["model", new OrderedDict(state)]]);
  if (optimizer) root.set("optimizer", optimizerDict(optimizer));
  if (epoch !== undefined) root.set("epoch", whole(epoch, "epoch"));
  if (step !== undefined) root.set("step", whole(step, "step"));
  for (const [key, value] of factsOf(metadata)) root.set(key, value);
  await saveTorch(path, root, metadata, options);
}

/**
 * A state_dict with the counter that PyTorch's norms have: `num_batches_tracked`, int64, after each `running_var`.
 * PyTorch computes with it only if a norm has no momentum of its own. A counter that is there stays.
 */
export function withCounters(tensors: Iterable<readonly [string, NamedSource]>): ReadonlyMap<string, NamedSource> {
  const given = new Map(tensors);
  const all = new Map<string, NamedSource>();
  for (const [name, source] of given) {
    all.set(name, source);
    const counter = name.replace(/(^|\.)running_var$/, "$1num_batches_tracked");
    if (counter !== name) all.set(counter, given.get(counter) ?? zero());
  }
  return all;
}

function zero(): Tensor<"int64"> {
  return tensorOf("int64", [], BigInt64Array.of(0n));
}

/** The facts that PyTorch's scripts keep in checkpoints under names of their own. */
function* factsOf({ model, classes, preprocessing }: Metadata): Generator<[string, PythonValue]> {
  if (model !== undefined) yield ["arch", model];
  const names: unknown = classes === undefined ? undefined : JSON.parse(classes);
  if (Array.isArray(names) && names.every((name) => typeof name === "string")) yield ["classes", names];
  if (preprocessing === undefined) return;
  const { resize, crop, scale, mean, std, ...others } = readPreprocessing(preprocessing);
  const numbers = { mean: mean.map(float), std: std.map(float) };
  yield ["preprocessing", new Map(Object.entries({ resize, crop, scale: float(scale), ...numbers, ...others }))];
}

function whole(value: number, name: string): number {
  if (Number.isSafeInteger(value) && value >= 0) return value;
  throw new FormatError(`${name}: found ${value}, expected a whole number from 0`);
}

function float(value: number): PythonFloat {
  return new PythonFloat(value);
}

function checkOptimizer({ groups, momenta }: OptimizerState, state: ReadonlyMap<string, NamedSource>): void {
  const names = groups.flatMap((group) => group.names);
  const trained = new Set(names);
  const twice = names.find((name, at) => names.indexOf(name) !== at);
  if (twice !== undefined) throw new FormatError(`${quote(twice)} is twice in the optimizer's groups; name it once`);
  const unknown = names.find((name) => !state.has(name));
  if (unknown !== undefined)
    throw new FormatError(`the optimizer trains ${quote(unknown)}, which the weights do not have`);
  for (const [name, moments] of momenta) {
    if (!trained.has(name))
      throw new FormatError(`the optimizer has momenta of ${quote(name)}, which is in none of its groups`);
    const { shape } = state.get(name)!;
    for (const [slot, tensor] of Object.entries<number | NamedSource>({ ...moments })) {
      if (typeof tensor === "number" || tensor.shape.join() === shape.join()) continue;
      const found = `${slot} of ${quote(name)} is ${formatShape(tensor.shape)}`;
      throw new FormatError(`${found}, expected ${formatShape(shape)}, as the parameter is`);
    }
  }
}

/** The state_dict of the optimizer. Source: torch/optim/optimizer.py, `state_dict`; sgd.py, adam.py, adamw.py. */
function optimizerDict(optimizer: OptimizerState): PythonValue {
  const indices = new Map(optimizer.groups.flatMap(({ names }) => names).map((name, index) => [name, index]));
  const groups =
    optimizer.kind === "sgd"
      ? optimizer.groups.map(sgdSettings)
      : optimizer.groups.map((group) => adamWSettings(group));
  const listed = optimizer.groups.map(({ names }, at) => {
    const members: [string, PythonValue][] = [
      ["params", names.map((name) => indices.get(name)!)],
      ["param_names", names],
    ];
    return new Map<string, PythonValue>([...Object.entries(groups[at]!), ...members]);
  });
  const momenta = [...slotsOf(optimizer)].map(([name, slots]) => [indices.get(name)!, slots] as const);
  return new Map<string, PythonValue>([
    ["state", new Map(momenta.toSorted(([a], [b]) => a - b))],
    ["param_groups", listed],
  ]);
}

function* slotsOf(optimizer: OptimizerState): Generator<[string, ReadonlyMap<string, PythonValue>]> {
  if (optimizer.kind === "sgd")
    for (const [name, { momentumBuffer }] of optimizer.momenta)
      yield [name, new Map([["momentum_buffer", momentumBuffer]])];
  else
    for (const [name, { step, expAvg, expAvgSq }] of optimizer.momenta) {
      const steps = tensorOf("float32", [], Float32Array.of(whole(step, "step")));
      const slots = { step: steps, exp_avg: expAvg, exp_avg_sq: expAvgSq };
      yield [name, new Map<string, PythonValue>(Object.entries(slots))];
    }
}

type Settings = Readonly<Record<string, PythonValue>>;

function sgdSettings({ lr, momentum, dampening = 0, weightDecay, nesterov }: SgdGroup): Settings {
  return {
    lr: float(lr),
    momentum: float(momentum),
    dampening: float(dampening),
    weight_decay: float(weightDecay),
    nesterov,
    maximize: false,
    foreach: null,
    differentiable: false,
    fused: null,
  };
}

function adamWSettings({ lr, betas, eps, weightDecay }: AdamWGroup): Settings {
  return {
    lr: float(lr),
    betas: new PythonTuple(betas.map(float)),
    eps: float(eps),
    weight_decay: float(weightDecay),
    amsgrad: false,
    maximize: false,
    foreach: null,
    capturable: false,
    differentiable: false,
    fused: null,
    decoupled_weight_decay: true,
  };
}
