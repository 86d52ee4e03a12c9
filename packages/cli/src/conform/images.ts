import type { ImageBatch, ImageSet } from "@residual/conformance";
import {
  FormatError,
  type Graph,
  type Preprocessing,
  readFloat64,
  select,
  type Tensor,
  tensorOf,
} from "@residual/core";
import { bindModel, checkClasses, checkLogits, identify, knownPreprocessing } from "@residual/pipeline";
import { stack } from "@residual/vision";
import { readWeights } from "@residual/weights";
import type { Dataset, Sample } from "../dataset/dataset.ts";
import { openDataset } from "../dataset/open.ts";

export interface ImageOptions {
  /** Labelled pictures, as `residual eval` takes them. */
  readonly images: string;
  /** A safetensors file whose `logits` [N, classes] are PyTorch's for these pictures, in order. */
  readonly answers: string;
  readonly weights?: string | undefined;
  readonly limit?: number | undefined;
}

/** Relative to the largest logit: the largest error of PyTorch's float32 on CIFAR-10 and on ImageNet crops. */
const OF_PYTORCH = 1e-6;

/** Images of one run: few enough for activations to stay in the cache. */
const BATCH = 32;

/** Pictures, weights and PyTorch's logits, in conformance's format. */
export async function openImageSet({
  images,
  answers,
  weights,
  limit,
}: ImageOptions): Promise<ImageSet & AsyncDisposable> {
  const identified = await identify({ weights });
  const data = await openDataset(images, identified);
  const prepared = await bindModel(identified, data.input);
  checkLogits(prepared.graph);
  checkClasses(prepared);
  const logits = await answersOf(answers, data);
  const count = Math.min(limit ?? data.images, data.images);
  const graph: Graph<"image", "logits"> = select(prepared.graph, ["logits"]);
  const batches = () => batchesOf(data, knownPreprocessing(prepared), logits, count);
  return {
    name: `${count} images`,
    model: prepared.model as ImageSet["model"],
    graph,
    relToMax: OF_PYTORCH,
    batches,
    count,
    [Symbol.asyncDispose]: () => data[Symbol.asyncDispose](),
  };
}

/** The suite needs every picture. */
async function readable(sample: ReturnType<Dataset["sample"]>): Promise<Sample> {
  const found = await sample;
  if (found instanceof FormatError) throw found;
  return found;
}

async function answersOf(file: string, { images }: Dataset): Promise<Tensor<"float64">> {
  const { tensors } = await readWeights(file);
  const found = tensors.get("logits");
  if (!found) throw new FormatError(`${file}: holds ${[...tensors.keys()].join(", ")}, expected a tensor named logits`);
  if (found.shape.length !== 2 || found.shape[0] !== images) {
    throw new FormatError(
      `${file}: logits is [${found.shape.join(", ")}], expected a row for each of the ${images} pictures`,
    );
  }
  if (found.dtype !== "float64" && found.dtype !== "float32") {
    throw new FormatError(`${file}: logits is ${found.dtype}, expected float64 or float32`);
  }
  return readFloat64(found);
}

async function* batchesOf(
  data: Dataset,
  preprocessing: Preprocessing,
  { shape, data: logits }: Tensor<"float64">,
  count: number,
): AsyncGenerator<ImageBatch> {
  const classes = shape[1]!;
  for (let start = 0; start < count; start += BATCH) {
    const indices = Array.from({ length: Math.min(BATCH, count - start) }, (_, i) => start + i);
    const samples = await Promise.all(indices.map((index) => readable(data.sample(index, preprocessing, {}))));
    const rows = logits.slice(start * classes, (start + indices.length) * classes);
    yield {
      image: stack(samples.map(({ image }) => image)),
      logits: tensorOf("float64", [indices.length, classes], rows),
      labels: samples.map(({ label }) => label),
    };
  }
}
