import { checkPreprocessing, FormatError, type Preprocessing, shortList, UnsupportedError } from "@residual/core";
import { quote } from "../json-reader.ts";
import { TorchTensor } from "./objects.ts";
import { type Pickled, PickledObject } from "./unpickler.ts";

/** The tensors of a state dict by name, in the checkpoint's order. */
type StateDict = ReadonlyMap<string, TorchTensor>;

/** Usual keys of the state dict in a checkpoint, likeliest first. */
const usualKeys = ["state_dict", "model_state_dict", "model", "net", "network", "module", "weights", "params"];

/** Usual keys of the moving average, which is used if there is no state dict. */
const averageKeys = ["ema", "state_dict_ema", "model_ema", "ema_state_dict"];

/** The deepest nesting of dictionaries that is searched: `{ checkpoint: { model: { state_dict: … } } }`. */
const DEEPEST = 4;

/** The state dict of a checkpoint, and the names of other ones. */
export interface FoundStateDict {
  readonly tensors: StateDict;
  /** The value of the `prefix` option for each other state dict: `model_ema.`. */
  readonly others: readonly string[];
}

/**
 * Finds the state dict of a checkpoint: the object itself, or a dictionary in it that has more tensors and a usual key.
 * If there are several, a usual key comes first, then a moving average, then the only dictionary of tensors. Other
 * entries (an epoch, an optimizer, the best accuracy as a tensor) are ignored.
 *
 * A `prefix` that begins with the key of another dictionary (`model_ema.module.`) selects this dictionary, unless a
 * tensor of the state dict has the prefix. The names of its tensors then begin with the key. Throws UnsupportedError if
 * there is no dictionary of tensors, or if several are equally likely.
 */
export function findStateDict(root: Pickled, prefix?: string): FoundStateDict {
  const own: Found = { path: [], tensors: tensorsOf(root) };
  const all = dictionariesIn(root);
  const usual = usualOf(own, all);
  const has = (start: string) => (found: Found) => [...found.tensors.keys()].some((name) => name.startsWith(start));
  if (prefix !== undefined && !(usual && has(prefix)(usual))) {
    const start = prefix.endsWith(".") ? prefix : `${prefix}.`;
    const named = all.flatMap(nestedNames).find(has(start));
    if (named) return { tensors: named.tensors, others: [] };
  }
  if (!usual) {
    const [first] = all;
    const found = first
      ? `several dictionaries of tensors: ${namesOf(all)}; choose one with \`prefix\`, as ${quote(prefixOf(first))}, or`
      : `no dictionary of tensors: found ${contentsOf(root)};`;
    throw new UnsupportedError(`it holds ${found} save the tensors alone: torch.save(model.state_dict(), path)`);
  }
  const isAlike = (found: Found) =>
    found.path.join() !== usual.path.join() && 2 * found.tensors.size > usual.tensors.size;
  return { tensors: usual.tensors, others: prefix === undefined ? all.filter(isAlike).map(prefixOf) : [] };
}

function usualOf(own: Found, all: readonly Found[]): Found | undefined {
  const found = all.filter(({ tensors }) => tensors.size > own.tensors.size);
  for (const key of [...usualKeys, ...averageKeys]) {
    const named = found.find(({ path }) => path.at(-1) === key);
    if (named) return named;
  }
  if (own.tensors.size > 0) return own;
  return found.length === 1 ? found[0] : undefined;
}

/** A nested dictionary whose tensors have the dictionary's keys in front: all keys, and fewer outer ones. */
function nestedNames({ path, tensors }: Found): readonly Found[] {
  return path.map((_, depth) => {
    const inner = path.slice(depth);
    return { path, tensors: new Map([...tensors].map(([name, tensor]) => [`${inner.join(".")}.${name}`, tensor])) };
  });
}

function prefixOf({ path }: Found): string {
  return `${path.join(".")}.`;
}

/**
 * Facts about the network in a checkpoint, as metadata. `arch` is the model's name in the training script's arguments
 * (`arch`, or `args.arch` and `args.model` in torchvision's references and timm), without timm's tag of the training.
 * `classes` are the names of ImageFolder: `class_to_idx`, otherwise `classes`. `preprocessing` is Residual's own.
 */
export function checkpointMetadata(root: Pickled): Readonly<Record<string, string>> {
  if (!(root instanceof Map)) return {};
  const entries = root as ReadonlyMap<Pickled, Pickled>;
  const given = entries.get("args") ?? null;
  const args = fieldsOf(given instanceof PickledObject ? given.state : given);
  const arch = [entries.get("arch"), args.get("arch"), args.get("model")].find((name) => typeof name === "string");
  const classes = byIndex(entries.get("class_to_idx")) ?? listOf(entries.get("classes"));
  const preprocessing = preprocessingIn(entries.get("preprocessing"));
  return {
    ...(typeof arch === "string" && { arch: arch.replace(/\..*$/s, "") }),
    ...(classes && { classes: JSON.stringify(classes) }),
    ...(preprocessing && { preprocessing: JSON.stringify(preprocessing) }),
  };
}

/** Undefined for an entry that others wrote under this name. */
function preprocessingIn(value: Pickled = null): Preprocessing | undefined {
  try {
    return checkPreprocessing(Object.fromEntries(fieldsOf(value)));
  } catch (error) {
    if (error instanceof FormatError) return undefined;
    throw error;
  }
}

function fieldsOf(value: Pickled): ReadonlyMap<Pickled, Pickled> {
  return value instanceof Map ? (value as ReadonlyMap<Pickled, Pickled>) : new Map();
}

/** The keys of a dictionary of indices, ordered by index; undefined for other values, and if an index is missing. */
function byIndex(value: Pickled = null): readonly string[] | undefined {
  const indices = new Map([...fieldsOf(value)].map(([name, index]) => [index, name]));
  return listOf(Array.from({ length: indices.size }, (_, index) => indices.get(index) ?? null));
}

/** A list of names; undefined for other values, including sets, which have no order. */
function listOf(value: Pickled = null): readonly string[] | undefined {
  const isList = Array.isArray(value) && value.length > 0 && value.every((name) => typeof name === "string");
  return isList ? value : undefined;
}

interface Found {
  readonly path: readonly string[];
  readonly tensors: StateDict;
}

/**
 * Finds dictionaries of tensors, breadth first, so that shorter paths come first. Each object is visited once, because
 * it may contain itself.
 */
function dictionariesIn(root: Pickled): readonly Found[] {
  const seen = new Set<Pickled>([root]);
  const found: Found[] = [];
  let level: { readonly path: readonly string[]; readonly value: Pickled }[] = [{ path: [], value: root }];
  for (let depth = 0; depth < DEEPEST; depth++) {
    const next: typeof level = [];
    for (const { path, value } of level) {
      if (!(value instanceof Map)) continue;
      for (const [key, child] of value as Map<Pickled, Pickled>) {
        if (typeof key !== "string" || seen.has(child)) continue;
        if (!(child instanceof Map)) continue;
        seen.add(child);
        const at = [...path, key];
        const tensors = tensorsOf(child);
        if (tensors.size > 0) found.push({ path: at, tensors });
        next.push({ path: at, value: child });
      }
    }
    level = next;
  }
  return found;
}

function tensorsOf(value: Pickled): StateDict {
  if (!(value instanceof Map)) return new Map();
  const entries = [...(value as Map<Pickled, Pickled>)];
  return new Map(
    entries.filter((entry): entry is [string, TorchTensor] => {
      return typeof entry[0] === "string" && entry[1] instanceof TorchTensor;
    }),
  );
}

/** Describes a checkpoint without a state dict. Its names are untrusted. */
function contentsOf(root: Pickled): string {
  if (root instanceof TorchTensor) return `a tensor [${shortList(root.shape)}]`;
  if (Array.isArray(root)) {
    const { length } = root.filter((each) => each instanceof TorchTensor);
    return `a list (values: ${root.length}, tensors among them: ${length})`;
  }
  if (root === null) return "None";
  if (!(root instanceof Map)) return typeof root === "object" ? "an object of a class" : `a ${typeof root}`;
  if (root.size === 0) return "an empty dictionary";
  return `a dictionary with the keys ${shortList([...(root as Map<Pickled, Pickled>).keys()].map(keyOf))}`;
}

function keyOf(key: Pickled): string {
  return typeof key === "string" ? quote(key) : typeof key === "number" ? String(key) : `a ${typeof key}`;
}

function namesOf(found: readonly Found[]): string {
  const names = found.slice(0, 5).map(({ path }) => path.join("."));
  return names.join(", ") + (found.length > names.length ? ", …" : "");
}
