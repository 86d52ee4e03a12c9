import { FormatError, formatShape, type NamedSource, UnsupportedError } from "@residual/core";
import { quote } from "./json-reader.ts";
import type { TorchGroup } from "./pytorch/optimizer.ts";
import type { Weights } from "./weights.ts";

/** What an optimizer keeps of each parameter, by its number. */
type State = ReadonlyMap<number, ReadonlyMap<string, NamedSource | number>>;

/** The numbers of an optimizer's parameters, with a name for each. */
type Numbering = ReadonlyMap<number, string>;

/**
 * The name of each parameter of an optimizer, by its number. Names are those of `weights`. Throws UnsupportedError if
 * the file does not tell the order, FormatError for a state that does not fit its parameter.
 */
export function numberedParameters(groups: readonly TorchGroup[], state: State, weights: Weights): Numbering {
  const parameters = parametersIn(weights);
  const isNamed = groups.every(({ names }) => names !== undefined);
  const numbering = isNamed ? byNames(groups, parameters, weights) : byOrder(groups, state, parameters);
  for (const [index, slots] of state) {
    const name = numbering.get(index);
    const problem = name === undefined ? undefined : misfit(slots, parameters.get(name)!);
    if (problem !== undefined) throw new FormatError(`the optimizer's state of ${quote(name!)}: ${problem}`);
  }
  return numbering;
}

/** PyTorch's parameters in the order of its modules: the state_dict without the buffers of norms. */
function parametersIn({ tensors, stored }: Weights): ReadonlyMap<string, readonly number[]> {
  const named = new Map([...tensors].map(([name, source]) => [source, name]));
  const parameters = new Map<string, readonly number[]>();
  for (const [raw, source] of stored?.tensors ?? tensors) {
    const name = named.get(source) ?? raw;
    if (!isBuffer(name)) parameters.set(name, source.shape);
  }
  return parameters;
}

function isBuffer(name: string): boolean {
  return /(^|\.)(running_mean|running_var|num_batches_tracked)$/.test(name);
}

/** Names as the optimizer was given them, which may have the prefix of a wrapper: `module.`. */
function byNames(
  groups: readonly TorchGroup[],
  parameters: ReadonlyMap<string, readonly number[]>,
  { tensors, stored }: Weights,
): Numbering {
  const named = new Map([...tensors].map(([name, source]) => [source, name]));
  const nameOf = (given: string): string => {
    for (const name of [given, `module.${given}`, given.replace(/^module\./, "")]) {
      const source = stored?.tensors.get(name);
      const own = source && named.get(source);
      if (own !== undefined) return own;
      if (parameters.has(name)) return name;
    }
    throw new FormatError(`the optimizer trains ${quote(given)}, which the network of the file does not have`);
  };
  return new Map(
    groups.flatMap(({ params, names }) => params.map((index, at) => [index, nameOf(names![at]!)] as const)),
  );
}

/** By the usual orders, for a file that has no names: the one that fits the groups and the shapes of the state. */
function byOrder(
  groups: readonly TorchGroup[],
  state: State,
  parameters: ReadonlyMap<string, readonly number[]>,
): Numbering {
  const indices = groups.flatMap(({ params }) => params);
  const all = [...parameters.keys()];
  const isVector = (name: string) => parameters.get(name)!.length < 2;
  const [vectors, matrices] = [all.filter(isVector), all.filter((name) => !isVector(name))];
  const splits = [
    [matrices, vectors],
    [vectors, matrices],
  ].filter((split) => split.every(({ length }, at) => length === groups[at]?.params.length));
  const orders =
    indices.length === all.length ? [all, ...(groups.length === 2 ? splits.map((split) => split.flat()) : [])] : [];
  const fitting = orders
    .map((order) => new Map(indices.map((index, at) => [index, order[at]!])))
    .filter((numbering) =>
      [...state].every(
        ([index, slots]) => misfit(slots, parameters.get(numbering.get(index) ?? "") ?? []) === undefined,
      ),
    );
  const [only] = fitting;
  if (only && fitting.length === 1) return only;
  const found = `the optimizer has ${indices.length} parameters in ${groups.length} groups, the network ${all.length}`;
  throw new UnsupportedError(
    `${found}; the file does not tell which is which: make the optimizer with net.named_parameters(), or save its ` +
      '"param_names"',
  );
}

/** What of a parameter's state does not have the parameter's shape; undefined if all fits. */
function misfit(slots: ReadonlyMap<string, NamedSource | number>, shape: readonly number[]): string | undefined {
  for (const [slot, value] of slots) {
    if (slot === "step" || typeof value === "number" || value.shape.join() === shape.join()) continue;
    return `${slot} is ${formatShape(value.shape)}, expected ${formatShape(shape)}, as the parameter is`;
  }
  return undefined;
}
