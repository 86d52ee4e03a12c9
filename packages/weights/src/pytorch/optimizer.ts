import { UnsupportedError } from "@residual/core";
import { quote } from "../json-reader.ts";
import { TorchTensor } from "./objects.ts";
import { type Pickled, PickledObject } from "./unpickler.ts";

/** Usual keys of the optimizer in a checkpoint. */
const usualKeys = ["optimizer", "optimizer_state_dict", "optim", "optimizer_state"];

/** A group of parameters: their numbers, their names if the file has them, and the settings that are plain values. */
export interface TorchGroup {
  readonly params: readonly number[];
  readonly names: readonly string[] | undefined;
  /** Numbers, booleans, None and lists of numbers, by PyTorch's names. */
  readonly settings: Readonly<Record<string, TorchSetting>>;
}

type TorchSetting = null | boolean | number | readonly number[];

/** An optimizer's state_dict. Tensors are in `tensors`, under the parameter's number and the slot: `0.exp_avg`. */
export interface TorchOptimizer {
  readonly groups: readonly TorchGroup[];
  /** Values of slots that are plain numbers, such as `0.step` in old files. */
  readonly numbers: Readonly<Record<string, number>>;
}

export interface FoundOptimizer {
  readonly optimizer: TorchOptimizer | undefined;
  readonly tensors: ReadonlyMap<string, TorchTensor>;
  /** Whole numbers of the checkpoint: `epoch`, `step`. */
  readonly counts: Readonly<Record<string, number>>;
}

/**
 * Finds the optimizer's state_dict in a checkpoint. Throws UnsupportedError for a dictionary under an optimizer's usual
 * name that is not in the form of `torch.optim.Optimizer.state_dict()`.
 */
export function findOptimizer(root: Pickled): FoundOptimizer {
  const entries = entriesOf(root);
  const counts = countsIn(entries);
  const key = usualKeys.find((name) => entries.has(name));
  if (key === undefined) return { optimizer: undefined, tensors: new Map(), counts };
  const found = entriesOf(entries.get(key)!);
  const list = found.get("param_groups");
  const groups = Array.isArray(list) ? list.map((group: Pickled) => groupOf(entriesOf(group))) : [];
  const indices = groups.flatMap((group) => group?.params ?? []);
  if (groups.length === 0 || groups.includes(undefined) || new Set(indices).size < indices.length)
    throw new UnsupportedError(
      `its ${quote(key)} is not the state of an optimizer of torch.optim; save optimizer.state_dict()`,
    );
  const tensors = new Map<string, TorchTensor>();
  const numbers: [string, number][] = [];
  for (const [index, slots] of entriesOf(found.get("state") ?? null)) {
    if (typeof index !== "number") continue;
    for (const [slot, value] of entriesOf(slots)) {
      if (typeof slot !== "string") continue;
      if (value instanceof TorchTensor) tensors.set(`${index}.${slot}`, value);
      else if (typeof value === "number") numbers.push([`${index}.${slot}`, value]);
    }
  }
  return { optimizer: { groups: groups as TorchGroup[], numbers: Object.fromEntries(numbers) }, tensors, counts };
}

function groupOf(group: ReadonlyMap<Pickled, Pickled>): TorchGroup | undefined {
  const params = group.get("params");
  if (!isCounts(params)) return undefined;
  const names = group.get("param_names");
  const isNamed =
    Array.isArray(names) && names.length === params.length && names.every((name) => typeof name === "string");
  const settings: [string, TorchSetting][] = [];
  for (const [name, value] of group) {
    if (typeof name !== "string" || name === "params" || name === "param_names") continue;
    if (isSetting(value)) settings.push([name, value]);
    else if (value instanceof TorchTensor)
      throw new UnsupportedError(
        `the optimizer's ${quote(name)} is a tensor, expected a number; save it as one: float(lr)`,
      );
  }
  return { params, names: isNamed ? names : undefined, settings: Object.fromEntries(settings) };
}

/** Counts that scripts keep beside the optimizer. */
function countsIn(entries: ReadonlyMap<Pickled, Pickled>): Readonly<Record<string, number>> {
  const counts = ["epoch", "step"].map((name) => [name, entries.get(name)] as const);
  return Object.fromEntries(counts.filter((entry): entry is [string, number] => isCount(entry[1])));
}

function entriesOf(value: Pickled): ReadonlyMap<Pickled, Pickled> {
  const held = value instanceof PickledObject ? value.state : value;
  return held instanceof Map ? (held as ReadonlyMap<Pickled, Pickled>) : new Map();
}

function isSetting(value: Pickled): value is TorchSetting {
  if (value === null || typeof value === "boolean" || typeof value === "number") return true;
  return Array.isArray(value) && value.length <= 8 && value.every((each) => typeof each === "number");
}

function isCounts(value: Pickled | undefined): value is number[] {
  return Array.isArray(value) && value.every(isCount);
}

function isCount(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}
