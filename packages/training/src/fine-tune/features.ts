import {
  applyOp,
  type Backend,
  bind,
  FormatError,
  type Graph,
  graph,
  input,
  is,
  type NamedSources,
  parameter,
  parametersOf,
  type Signal,
  tensorOf,
  UnsupportedError,
  type Value,
} from "@residual/core";
import type { BatchMaker } from "../batches/batch-maker.ts";
import { batchCount, batches } from "../batches/batches.ts";
import type { BatchRecipe, UnreadablePicture } from "../batches/make-batch.ts";
import type { Dataset, Example } from "../data/dataset.ts";

/** A network in two parts: the trunk gives features, [N, features]; the head is its last layer. */
export interface Parts {
  readonly trunk: Graph<"image", "features">;
  readonly head: Graph<"image", "logits">;
}

/** Throws UnsupportedError for a network whose last layer is not linear. */
export function partsOfNetwork(network: Graph<"image", "logits">): Parts {
  const { logits } = network.outputs;
  if (!is(logits, "linear"))
    throw new UnsupportedError(`${network.name}: its logits come from no linear layer, which could be trained alone`);
  const { x, weight, bias } = logits.inputs;
  const image = input("image", ["N", x.shape[1]!, 1, 1]);
  const open = (value: Value) => parameter(value.name, value.shape as readonly number[]);
  const flat = applyOp("flatten", { x: image }, {});
  const last = applyOp("linear", { x: flat, weight: open(weight), ...(bias && { bias: open(bias) }) }, {});
  return {
    trunk: { ...network, outputs: { features: x } },
    head: graph({ name: `${network.name} head`, inputs: { image }, outputs: { logits: { ...last, name: "logits" } } }),
  };
}

/** The weights that a graph has parameters for. */
export function weightsFor(graph: Graph, { tensors }: NamedSources): NamedSources {
  const names = new Set(parametersOf(graph).map(({ name }) => name));
  return { tensors: new Map([...tensors].filter(([name]) => names.has(name))) };
}

export interface FeatureOptions {
  readonly backend: Backend;
  readonly maker: BatchMaker;
  /** Pictures of a run. */
  readonly batch: number;
  readonly seed: number;
  /** Times that each picture is seen: first as it is, then augmented. */
  readonly views: number;
  readonly signal?: Signal | undefined;
  readonly onPictures?: ((done: number) => void) | undefined;
  readonly onUnreadable?: ((picture: UnreadablePicture) => void) | undefined;
}

/**
 * A data set whose examples are the features of another's pictures, [features, 1, 1]. Pictures that cannot be read are
 * left out. Throws FormatError if none can be read.
 */
export async function featuresOf(
  trunk: Graph<"image", "features">,
  weights: NamedSources,
  dataset: Dataset,
  recipe: BatchRecipe,
  { backend, maker, batch: size, seed, views, signal, onPictures, onUnreadable }: FeatureOptions,
): Promise<Dataset> {
  await using executable = await backend.compile(bind(trunk, weightsFor(trunk, weights)), { signal });
  const examples: Example[] = [];
  const order = dataset.examples.map((_, index) => index);
  for (let view = 0; view < views; view++) {
    const draw = view === 0 ? undefined : { seed, epoch: view };
    const plain = { ...recipe, augmentation: { ...recipe.augmentation, mixup: undefined, cutmix: undefined } };
    const plan = {
      dataset,
      order,
      size,
      recipe: { ...plain, unreadable: "leave out" },
      isLastPartial: true,
      draw,
    } as const;
    let done = view * batchCount(plan);
    for await (const { image, indices, unreadable } of batches(plan, maker, { signal })) {
      if (view === 0) for (const picture of unreadable) onUnreadable?.(picture);
      if (indices.length > 0) {
        const { features } = await executable.run({ image }, { signal });
        const count = features.shape[1]!;
        for (const [row, index] of indices.entries()) {
          const numbers = Float32Array.from(features.data.subarray(row * count, (row + 1) * count));
          const tensor = tensorOf("float32", [count, 1, 1], numbers);
          examples.push({ ...dataset.examples[index]!, picture: { tensor } });
        }
      }
      done += 1;
      onPictures?.(Math.min(done * size, views * order.length));
    }
  }
  if (examples.length > 0) return { ...dataset, examples };
  throw new FormatError(`none of the ${dataset.examples.length} pictures can be read`);
}
