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
import { type Change, changeBetween } from "./statistics.ts";

export interface Comparison {
  readonly identical: boolean;
  /** The model whose names the tensors have; null where they have those of the files. */
  readonly model: string | null;
  /** Tensors of both files, those that changed most first. */
  readonly tensors: readonly (Change & {
    readonly name: string;
    readonly shape: readonly number[];
    readonly size: number;
  })[];
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
 * Compares two sets of weights under the names of one model, where both fit one, else under those of their files.
 * Throws what `readWeights` throws, and AbortError.
 */
export async function compare(
  pair: readonly [string, string],
  asked: string | undefined,
  work: WorkOptions,
): Promise<Comparison> {
  const {
    model,
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
    identical: isSame && tensors.every(({ differing }) => differing === 0),
    model,
    tensors: tensors.toSorted((one, other) => other.relative - one.relative),
    onlyInA,
    onlyInB,
    misshapen,
  };
}

interface Named {
  readonly model: string | null;
  readonly sides: readonly [Tensors, Tensors];
}

async function named([a, b]: readonly [string, string], asked: string | undefined, work: WorkOptions): Promise<Named> {
  if (asked !== undefined) {
    const model = modelCalled(asked);
    const side = async (weights: string) => (await identify({ ...work, model, weights })).tensors;
    return { model, sides: [await side(a), await side(b)] };
  }
  const both = [await readWeights(a, work), await readWeights(b, work)] as const;
  const [ours, theirs] = both.map(modelsOf) as [readonly string[], readonly string[]];
  const model = ours.find((name) => theirs.includes(name)) ?? null;
  const side = (weights: Weights) => (model === null ? weights.tensors : under(weights, model));
  return { model, sides: [side(both[0]), side(both[1])] };
}

/** The model that weights say they are for, else those that they fit. */
function modelsOf(weights: Weights): readonly string[] {
  const said = weights.model === undefined ? undefined : modelNameOf(weights.model);
  return said === undefined ? recognize(weights).models : [said];
}

function under(weights: Weights, model: string): Tensors {
  return toTorchvision(weights, resnet(variants[modelCalled(model)], { name: model })).tensors;
}
