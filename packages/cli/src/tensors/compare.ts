import {
  modelNameOf,
  type NamedSource,
  resnet,
  sizeOf,
  throwIfAborted,
  variants,
  type WorkOptions,
} from "@residual/core";
import { identify, recognize } from "@residual/pipeline";
import { readWeights, toTorchvision, type Weights } from "@residual/weights";
import { modelCalled } from "../names.ts";
import { type Change, changeBetween, statisticsOf } from "./statistics.ts";

export interface Comparison {
  readonly identical: boolean;
  /** The model whose names the tensors have; null if they have the files' names. */
  readonly model: string | null;
  /** Tensors of both files, most changed first. */
  readonly tensors: readonly (Change & {
    readonly name: string;
    readonly shape: readonly number[];
    readonly size: number;
  })[];
  /** Notes for the user, as sentences. */
  readonly notes: readonly string[];
  readonly onlyInA: readonly string[];
  readonly onlyInB: readonly string[];
  readonly misshapen: readonly {
    readonly name: string;
    readonly a: readonly number[];
    readonly b: readonly number[];
  }[];
}

type Tensors = ReadonlyMap<string, NamedSource>;

/**
 * Compares two sets of weights, with the names of a model that both fit, else with the files' names. Throws errors of
 * `readWeights`, and AbortError.
 */
export async function compare(
  pair: readonly [string, string],
  asked: string | undefined,
  work: WorkOptions,
): Promise<Comparison> {
  const {
    model,
    models,
    sides: [a, b],
  } = await named(pair, asked, work);
  const common = [...a].filter(([name]) => b.has(name));
  const tensors: Comparison["tensors"][number][] = [];
  const misshapen: Comparison["misshapen"][number][] = [];
  for (const [done, [name, one]] of common.entries()) {
    throwIfAborted(work.signal);
    work.onProgress?.({ stage: "compare tensors", done, total: common.length });
    const other = b.get(name)!;
    const { shape } = one;
    if (shape.join() === other.shape.join())
      tensors.push({ name, shape, size: sizeOf(shape), ...(await changeBetween(one, other)) });
    else misshapen.push({ name, a: shape, b: other.shape });
  }
  const onlyInA = [...a.keys()].filter((name) => !b.has(name));
  const onlyInB = [...b.keys()].filter((name) => !a.has(name));
  const isSame = misshapen.length + onlyInA.length + onlyInB.length === 0;
  return {
    notes: [...notesOn(pair, models), ...(await foldedNote(pair, [a, b]))],
    identical: isSame && tensors.every(({ differing }) => differing === 0),
    model,
    tensors: tensors.toSorted((one, other) => other.relative - one.relative),
    onlyInA,
    onlyInB,
    misshapen,
  };
}

/** If the two are weights of different models. */
function notesOn([a, b]: readonly [string, string], [one, other]: Named["models"]): readonly string[] {
  if (one === other || one === undefined || other === undefined) return [];
  return [`${a} is for ${one}, and ${b} for ${other}`];
}

/** A file with folded norms has other numbers, but the same outputs. */
async function foldedNote([a, b]: readonly [string, string], [one, other]: Named["sides"]): Promise<readonly string[]> {
  const [first, second] = [await isFolded(one), await isFolded(other)];
  if (first === second) return [];
  return [
    `the norms of ${first ? a : b} are folded into its convolutions: its numbers are others, its answers may not be`,
  ];
}

/** Every norm is an identity apart from its shift. */
async function isFolded(tensors: Tensors): Promise<boolean> {
  const means = [...tensors].filter(([name]) => name.endsWith(".running_mean"));
  for (const [, source] of means) {
    const { min, max } = await statisticsOf(source);
    if (min !== 0 || max !== 0) return false;
  }
  return means.length > 0;
}

interface Named {
  readonly model: string | null;
  /** The models of the two; undefined if one is unknown. */
  readonly models: readonly [string | undefined, string | undefined];
  readonly sides: readonly [Tensors, Tensors];
}

async function named([a, b]: readonly [string, string], asked: string | undefined, work: WorkOptions): Promise<Named> {
  if (asked !== undefined) {
    const model = modelCalled(asked);
    const side = async (weights: string) => (await identify({ ...work, model, weights })).tensors;
    return { model, models: [model, model], sides: [await side(a), await side(b)] };
  }
  const both = [await readWeights(a, work), await readWeights(b, work)] as const;
  const [ours, theirs] = [await modelsOf(both[0]), await modelsOf(both[1])];
  const model = ours.find((name) => theirs.includes(name)) ?? null;
  const side = (weights: Weights) => (model === null ? weights.tensors : under(weights, model));
  return {
    model,
    models: model === null ? [ours[0], theirs[0]] : [model, model],
    sides: [side(both[0]), side(both[1])],
  };
}

/** The model in the weights' metadata, else the models that they fit. */
async function modelsOf(weights: Weights): Promise<readonly string[]> {
  const said = weights.model === undefined ? undefined : modelNameOf(weights.model);
  return said === undefined ? (await recognize(weights)).models : [said];
}

function under(weights: Weights, model: string): Tensors {
  return toTorchvision(weights, resnet(variants[modelCalled(model)], { name: model })).tensors;
}
