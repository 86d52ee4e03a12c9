import { type Executable, type Graph, select, type Tensor, tensorOf, WeightsError } from "@residual/core";
import { checkClasses, checkFinite, knownPreprocessing, prepareOn } from "@residual/pipeline";
import { topK } from "@residual/vision";
import { digestsOf } from "../digests.ts";
import type { Item } from "../job.ts";
import type { Manifest } from "../manifest.ts";
import type { Output, Row } from "../row.ts";
import type { Batch } from "./picture-batches.ts";
import { PictureReader } from "./picture-reader.ts";

/** The value of the graph for each output. */
const graphValue: { readonly [O in Output]: string } = { predictions: "logits", embedding: "avgpool" };

/** The graph for a job's outputs. Throws OptionError for a model without classes or preprocessing, ShapeError. */
export function graphFor(
  prepared: Parameters<typeof checkClasses>[0] & Parameters<typeof knownPreprocessing>[0],
  outputs: readonly Output[],
): Graph<"image"> {
  if (outputs.includes("predictions")) checkClasses(prepared);
  knownPreprocessing(prepared);
  return select(
    prepared.graph,
    outputs.map((output) => graphValue[output]),
  );
}

/** The answers of a row. */
type Answer = Omit<Row, "image" | "error" | "message" | "width" | "height">;

/** A job's model, in a worker, with the thread that prepares its pictures. */
export interface ShardModel extends AsyncDisposable {
  /** Pictures as the model takes them: see PictureReader. */
  batches(items: readonly Item[]): AsyncGenerator<Batch>;
  /** Answers for the first `images` of a batch, [batch, 3, crop, crop]. An answer may be the error of its image. */
  answer(data: Float32Array, images: number): Promise<readonly (Answer | WeightsError)[]>;
  /** The answer in the row of a picture that failed. */
  readonly noAnswer: Answer;
}

/** Throws WeightsError if the weights are no longer those of the job, and errors of `prepareOn`. */
export async function openModel(manifest: Manifest): Promise<ShardModel> {
  const { model, weights, prefix, preprocessing, labels, outputs, threads, backend } = manifest;
  const options = { model, weights, preprocessing, threads, prefix: prefix ?? undefined, labels: labels ?? undefined };
  const { prepared, executable } = await prepareOn(backend, options, (found) => graphFor(found, outputs));
  const digests = await digestsOf(prepared.graph);
  if (digests.model === manifest.digests.model && digests.weights === manifest.digests.weights) {
    const reader = new PictureReader(manifest);
    return {
      batches: (items) => reader.batches(items),
      answer: answering(executable, manifest),
      noAnswer: joined(outputs, (output) => nothing[output]),
      async [Symbol.asyncDispose]() {
        await reader[Symbol.asyncDispose]();
        await executable.dispose();
      },
    };
  }
  await executable.dispose();
  throw new WeightsError(
    `${weights}: these are not the weights that the job was prepared with; put them back, or give another out`,
  );
}

function answering(executable: Executable<"image">, manifest: Manifest): ShardModel["answer"] {
  const { batch, outputs, preprocessing } = manifest;
  const shape = [batch, 3, preprocessing.crop, preprocessing.crop];
  return async (data, images) => {
    const values = await executable.run({ image: tensorOf("float32", shape, data) });
    return Array.from({ length: images }, (_, at) => {
      try {
        return joined(outputs, (output) => answerOf[output](rowOf(values[graphValue[output]]!, at), manifest));
      } catch (error) {
        if (error instanceof WeightsError) return error;
        throw error;
      }
    });
  };
}

/** Row `at` of a value, [1, C]. */
function rowOf(
  { shape, data }: { readonly shape: readonly number[]; readonly data: Float32Array | Float64Array },
  at: number,
): Tensor<"float32"> {
  const size = data.length / shape[0]!;
  return tensorOf("float32", [1, size], Float32Array.from(data.subarray(at * size, (at + 1) * size)));
}

const answerOf: { readonly [O in Output]: (row: Tensor<"float32">, manifest: Manifest) => Answer } = {
  predictions(row, manifest) {
    checkFinite(row, manifest);
    const top = topK(row, manifest.top, manifest.labels ?? undefined)[0]!;
    const { label, index, probability } = top[0]!;
    return { label, index, probability, top };
  },
  embedding(row, manifest) {
    checkFinite(row, manifest);
    return { embedding: Array.from(row.data) };
  },
};

const nothing: { readonly [O in Output]: Answer } = {
  predictions: { label: null, index: null, probability: null, top: null },
  embedding: { embedding: null },
};

/** The fields of all outputs. */
function joined(outputs: readonly Output[], fieldsOf: (output: Output) => Answer): Answer {
  let answer: Answer = {};
  for (const output of outputs) answer = { ...answer, ...fieldsOf(output) };
  return answer;
}
