import { type Graph, type NamedSource, parametersOf, sizeOf, WeightsError } from "@residual/core";
import { quote } from "./json-reader.ts";
import type { Weights } from "./weights.ts";

/**
 * Removes the prefix from names of a wrapped network, or of a part of a larger one. DataParallel puts `module.` before
 * every name, Lightning a field's name (`model.`, `net.`), a trainer's checkpoint `state_dict.`, in any nesting. The
 * rule: the prefix is the one under which every parameter of the graph is found, except the last layer's.
 *
 * - A set of weights without a prefix takes precedence. If a set and its moving average (`ema.`, `model_ema.module.`)
 *   are found, the set is used, as in `load_state_dict`. Two other sets are refused, because nothing tells which one is
 *   meant.
 * - The last layer may have another name than in the graph (`fc`): `linear`, `head`, `classifier`, `head.fc`, `fc.1`,
 *   `last_linear`. It may be under the prefix or outside of it (`backbone.conv1`, `head`). It must be the only such
 *   layer.
 * - Tensors outside of the prefix, and of other sets, are left out; `notes` lists them. Tensors under the prefix that
 *   the graph does not have stay, and `bind` refuses them: the trained network computes with them. Counters and empty
 *   tensors are left out everywhere.
 * - If no prefix has every parameter, the prefix with the most parameters is removed, so that `bind` lists the missing
 *   ones.
 *
 * Throws WeightsError for two sets, two last layers, and two tensors with the same name. Takes linear time.
 */
export function underOnePrefix(weights: Weights, graph: Graph): Weights {
  const network = networkOf(graph);
  const entries = [...weights.tensors].map(
    ([name, source]): Entry => ({
      name,
      bare: withoutWrappers(name),
      source,
    }),
  );
  const sets = setsIn(entries, network);
  const whole = sets.filter(({ isWhole }) => isWhole);
  const chosen = whole.length > 0 ? oneOf(whole, network) : largestOf(sets, network);
  const prefixes = new Set(whole.map(({ prefix }) => prefix));
  const rest = entries.filter((entry) => !chosen.targets.has(entry) && !isStray(entry.bare, entry.source));
  // if no set is complete, nothing is left out: `bind` lists the differences
  const isOutside = ({ bare }: Entry) => chosen.isWhole && longestOf(prefixes, bare) !== chosen.prefix;
  const isOfAnother = ({ bare }: Entry) => (longestOf(prefixes, bare) ?? chosen.prefix) !== chosen.prefix;
  const head = lastLayer(
    rest.filter((entry) => !isOfAnother(entry)),
    chosen,
    network,
  );

  const tensors = new Map<string, NamedSource>();
  for (const entry of entries) {
    const known = chosen.targets.get(entry) ?? head.get(entry);
    if (known === undefined && (isStray(entry.bare, entry.source) || isOutside(entry))) continue;
    const target =
      known ?? (entry.bare.startsWith(chosen.prefix) ? entry.bare.slice(chosen.prefix.length) : entry.name);
    if (tensors.has(target))
      throw new WeightsError(`${quote(entry.name)} becomes ${quote(target)}, and so does another; rename one`);
    tensors.set(target, entry.source);
  }
  const leftOut = rest.filter((entry) => !head.has(entry) && isOutside(entry)).map(({ name }) => name);
  const others = whole.filter((set) => set !== chosen).map(({ prefix }) => prefix);
  return weights.withTensors(tensors, notesOn(leftOut, chosen.prefix, others));
}

/** Names that trainers use for numbers that are not parameters. */
const counters = /(^|\.)(num_batches_tracked|n_averaged|(global_)?steps?|epochs?|iterations?|num_updates|decay|lr)$/;

/** Ends of parameter names in files without dots in names, such as Gluon's `conv0_weight`. */
const parameterWord = /(weight|bias|gamma|beta|mean|var|kernel)$/;

/**
 * Whether a tensor can be left out everywhere. This holds for empty tensors, whole numbers, and single numbers that
 * belong to no module or have the name of a counter. Other single numbers of a module may be trained gains (ReZero,
 * SkipInit).
 */
export function isStray(name: string, { dtype, shape }: NamedSource): boolean {
  const size = sizeOf(shape);
  if (size === 0 || (dtype !== "float32" && dtype !== "float64")) return true;
  return size === 1 && (counters.test(name) || (!/[./]/.test(name) && !parameterWord.test(name)));
}

/** A tensor of a file. `bare` is its torchvision name, without the names of wrappers. */
interface Entry {
  readonly name: string;
  readonly bare: string;
  readonly source: NamedSource;
}

/** The parameters that a graph needs. */
interface Network {
  readonly name: string;
  readonly wanted: ReadonlySet<string>;
  /** The number of parameters outside of the last layer. */
  readonly bodySize: number;
  /** The module of the last layer. */
  readonly head: string | undefined;
}

/** The graph's parameters under one prefix. */
interface WeightSet {
  readonly prefix: string;
  readonly targets: ReadonlyMap<Entry, string>;
  /** The number of parameters found, without the last layer's. */
  readonly count: number;
  readonly isWhole: boolean;
}

function networkOf(graph: Graph): Network {
  const parameters = parametersOf(graph);
  const last = parameters.find(({ name, shape }) => shape.length === 2 && name.endsWith(".weight"));
  const head = last && moduleOf(last.name);
  const names = parameters.map(({ name }) => name);
  return {
    name: graph.name,
    wanted: new Set(names),
    bodySize: names.filter((name) => moduleOf(name) !== head).length,
    head,
  };
}

function moduleOf(parameter: string): string {
  return parameter.slice(0, Math.max(0, parameter.lastIndexOf(".")));
}

/** Name segments that torch.compile, FSDP and checkpointing insert for the modules that they wrap. */
const wrappers: ReadonlySet<string> = new Set(["_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module"]);

export function withoutWrappers(name: string): string {
  if (![...wrappers].some((wrapper) => name.includes(wrapper))) return name;
  return name
    .split(".")
    .filter((segment) => !wrappers.has(segment))
    .join(".");
}

/** The most parts of a name with a prefix: real models are not nested so deeply, and each part costs time. */
const MOST_PARTS = 32;

function setsIn(entries: readonly Entry[], { wanted, bodySize, head }: Network): WeightSet[] {
  const sets = new Map<string, Map<Entry, string>>();
  for (const entry of entries) {
    for (const prefix of prefixesOf(entry.bare)) {
      const target = entry.bare.slice(prefix.length);
      if (!wanted.has(target)) continue;
      const set = sets.get(prefix) ?? new Map<Entry, string>();
      sets.set(prefix, set.set(entry, target));
    }
  }
  return [...sets].map(([prefix, targets]) => {
    const found = new Set(targets.values());
    const count = [...found].filter((name) => moduleOf(name) !== head).length;
    return { prefix, targets, count, isWhole: count === bodySize && (bodySize > 0 || found.size === wanted.size) };
  });
}

/** The possible prefixes of a name, shortest first: `""`, `"a."`, `"a.b."` for `a.b.weight`. */
function prefixesOf(name: string): string[] {
  const parts = name.split(".", MOST_PARTS + 1);
  if (parts.length > MOST_PARTS) return [];
  let end = 0;
  return parts.map((part, i) => {
    const prefix = name.slice(0, end);
    end += part.length + (i < parts.length - 1 ? 1 : 0);
    return prefix;
  });
}

function longestOf(prefixes: ReadonlySet<string>, name: string): string | undefined {
  return prefixesOf(name).findLast((prefix) => prefixes.has(prefix));
}

/** Whether a prefix is that of a moving average, which checkpoints store besides the weights. */
const isAverage = ({ prefix }: WeightSet): boolean => /(^|[._])(ema|swa|averaged?)[._]/.test(prefix);

function oneOf(sets: readonly WeightSet[], { name }: Network): WeightSet {
  const plain = sets.filter((set) => !isAverage(set));
  const candidates = plain.length > 0 ? plain : sets;
  const [first, second] = candidates;
  const exact = candidates.find(({ prefix }) => prefix === "");
  if (exact || !second) return exact ?? first!;
  const [a, b] = [quote(first!.prefix), quote(second.prefix)];
  throw new WeightsError(
    `these weights fit ${name} twice, under the names ${a} and ${b}; choose one with \`prefix\`, as ${a}`,
  );
}

/** The set with the most parameters, if it has more than half of them; otherwise an empty set without a prefix. */
function largestOf(sets: readonly WeightSet[], { bodySize }: Network): WeightSet {
  const most = sets.reduce((best, set) => Math.max(best, set.count), 0);
  const largest = sets.filter(({ count }) => count === most && 2 * count > bodySize);
  const none: WeightSet = { prefix: "", targets: new Map(), count: 0, isWhole: false };
  return largest.find((set) => !isAverage(set)) ?? largest[0] ?? none;
}

/** Usual names of the last layer. A number is its index in a sequence, where a dropout may precede it. */
const headName = new RegExp(
  "^(fc|linear|head|heads|classifier|last_linear|logits|output|predictions|dense(_\\d{1,4})?)" +
    "(\\.(fc|head|linear))?(\\.\\d{1,3})?$",
);

/**
 * The tensors of a last layer that does not have the graph's name for it: the only linear layer under a usual name.
 * Empty if the layer's module holds other tensors, because such a head has several layers.
 */
function lastLayer(
  rest: readonly Entry[],
  { prefix, targets, isWhole }: WeightSet,
  network: Network,
): Map<Entry, string> {
  const found = new Map<Entry, string>();
  const { head } = network;
  if (head === undefined) return found;
  const scopes = prefixesOf(prefix.slice(0, -1)).concat(prefix).toReversed(); // for "a.b.": "a.b.", "a.", ""
  const scopeOf = (module: string) =>
    scopes.find((scope) => module.startsWith(scope) && headName.test(module.slice(scope.length)));
  const named = [...targets].filter(([, target]) => target === `${head}.weight`).map(([entry]) => entry);
  const others = rest.filter(
    ({ bare, source: { shape } }) =>
      shape.length === 2 && bare.endsWith(".weight") && scopeOf(moduleOf(bare)) !== undefined,
  );
  const [layer] = others;
  if (!layer) return found;
  if (named.length + others.length > 1) {
    if (!isWhole) return found; // the weights are of another network
    const layers = [...named, ...others];
    const names = layers.slice(0, LISTED).map(({ name }) => quote(moduleOf(name)));
    throw new WeightsError(
      `the body of these weights is that of ${network.name}, and their head has ${layers.length} layers, ` +
        `${names.join(", ")}, where a model here has one; save one of them, or the body alone`,
    );
  }
  const module = moduleOf(layer.bare);
  const scope = scopeOf(module)!;
  const top = `${scope}${module.slice(scope.length).split(".", 1)[0]}.`;
  const isOwn = ({ bare }: Entry) => bare === `${module}.weight` || bare === `${module}.bias`;
  if (rest.some((entry) => entry.bare.startsWith(top) && !isOwn(entry))) return found;
  if (isWhole && scope !== prefix) {
    const beside = rest.filter((entry) => entry.bare.startsWith(scope) && !isOwn(entry));
    refuseBetween(
      beside.filter(({ source, bare }) => feeds(bare, source, layer.source)),
      layer,
      network,
    );
  }
  for (const entry of rest) if (isOwn(entry)) found.set(entry, head + entry.bare.slice(module.length));
  return found;
}

/** Whether a tensor belongs to a norm or linear layer with as many outputs as the last layer has inputs. */
function feeds(name: string, { shape }: NamedSource, { shape: [, inputs] }: NamedSource): boolean {
  const isNorm = name.endsWith(".running_var") && shape.length === 1;
  const isLinear = name.endsWith(".weight") && shape.length === 2;
  return (isNorm || isLinear) && shape[0] === inputs;
}

/** Refuses layers between the body and the last layer: the trained network computes with them. */
function refuseBetween(between: readonly Entry[], layer: Entry, { name: model }: Network): void {
  if (between.length === 0) return;
  const names = between.slice(0, LISTED).map(({ name }) => quote(moduleOf(name)));
  throw new WeightsError(
    `the body of these weights is that of ${model}, and before the last layer ${quote(moduleOf(layer.name))} stands ` +
      `${names.join(", ")}, which no model here computes; read the body alone, by its prefix`,
  );
}

/** The most names in a note; further names are counted. */
const LISTED = 3;

function notesOn(leftOut: readonly string[], prefix: string, [other]: readonly string[]): string[] {
  if (leftOut.length === 0) return [];
  const names = leftOut.slice(0, LISTED).map(quote).join(", ") + (leftOut.length > LISTED ? ", …" : "");
  const taken = prefix === "" ? "the names without a prefix" : `the names under ${quote(prefix)}`;
  const count = `${leftOut.length} other ${leftOut.length === 1 ? "tensor" : "tensors"}`;
  const way = other === undefined ? "" : `; \`prefix\` ${quote(other)} takes another set`;
  return [`${taken} are taken; left out: ${count}, ${names}${way}`];
}
