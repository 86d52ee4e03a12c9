import { type Tensor, tensorOf, WeightsError } from "@residual/core";
import type { ServedModel, ServedOutput } from "@residual/pipeline/serving";
import { topK } from "@residual/vision";
import { RequestError } from "../errors.ts";
import { float32Of, type RequestTensor } from "./datatypes.ts";

/** A request of the Open Inference Protocol, the same for JSON, binary data and gRPC. */
export interface InferenceRequest {
  readonly inputs: readonly RequestTensor[];
  /** Default: all outputs of the model. */
  readonly outputs?: readonly RequestedOutput[] | undefined;
}

interface RequestedOutput {
  readonly name: string;
  /** The number of classes of Triton's classification extension, instead of the tensor. */
  readonly classification?: number | undefined;
}

/** An output in the order of the request. BYTES elements are texts. */
export type OutputTensor = { readonly name: string; readonly shape: readonly number[] } & (
  | { readonly datatype: "FP32"; readonly data: Float32Array }
  | { readonly datatype: "BYTES"; readonly data: readonly string[] }
);

export interface InferenceWork {
  readonly signal?: AbortSignal | undefined;
  /** Milliseconds from now. */
  readonly deadline?: number | undefined;
  /** The most images of a request. */
  readonly maxImages: number;
}

/**
 * Runs a model on the request's tensor. Throws RequestError (400) for an unknown name, datatype or output and for a
 * shape that the model does not have, and what `ServedModel.infer` throws.
 */
export async function infer(
  model: ServedModel,
  { inputs, outputs = model.outputs }: InferenceRequest,
  { maxImages, ...work }: InferenceWork,
): Promise<readonly OutputTensor[]> {
  const wanted = outputs.map((output: RequestedOutput) => ({ ...output, name: outputNamed(model, output.name) }));
  const image = imageOf(model, inputs, maxImages);
  const found = await model.infer(image, { ...work, outputs: wanted.map(({ name }) => name) }).catch(explain);
  return wanted.map(({ name, classification }) => {
    const tensor = found[name]!;
    return classification === undefined
      ? { name, datatype: "FP32", shape: tensor.shape, data: tensor.data }
      : classified(model, name, tensor, classification);
  });
}

/** Weights that answer pictures with finite numbers overflow for a client's extreme ones. */
function explain(error: unknown): never {
  throw error instanceof WeightsError ? new RequestError(422, error.message) : error;
}

/** The model's names of its outputs, which are the names that it takes. */
function outputNamed(model: ServedModel, name: string): ServedOutput {
  const known: readonly string[] = model.outputs.map((output) => output.name);
  if (known.includes(name)) return name as ServedOutput;
  throw new RequestError(400, `${model.name} has no output ${name}, expected ${known.join(", ")}`);
}

function imageOf(model: ServedModel, inputs: readonly RequestTensor[], maxImages: number): Tensor<"float32"> {
  const { name, shape } = model.inputs[0]!;
  const [input] = inputs;
  if (inputs.length !== 1 || input?.name !== name) {
    const found = inputs.map((each) => each.name).join(", ");
    throw new RequestError(400, `found the inputs ${found || "(none)"}, expected one input ${name}`);
  }
  const fits =
    input.shape.length === shape.length && shape.every((size, axis) => size === "N" || size === input.shape[axis]);
  const images = input.shape[0] ?? 0;
  if (!fits || images < 1) {
    throw new RequestError(
      400,
      `input ${name}: found shape [${input.shape.join(", ")}], expected [${shape.join(", ")}]`,
    );
  }
  if (images > maxImages) {
    throw new RequestError(413, `input ${name}: found ${images} images, expected at most ${maxImages} in a request`);
  }
  return tensorOf("float32", input.shape, float32Of(input));
}

/** Triton's classification extension: `value:index:label` of the `top` largest elements of each row. */
function classified(model: ServedModel, name: string, tensor: Tensor<"float32">, top: number): OutputTensor {
  if (tensor.shape.length !== 2) {
    throw new RequestError(400, `output ${name} has rank ${tensor.shape.length}; classification is for [N, C]`);
  }
  const [images = 0, classes = 0] = tensor.shape;
  const rows = topK(tensor, top, undefined, { probabilities: true });
  const labels = name === "embedding" ? undefined : model.labels;
  const data = rows.flatMap((row) =>
    row.map(({ index, probability }) => [probability.toFixed(6), index, ...(labels ? [labels[index]] : [])].join(":")),
  );
  return { name, datatype: "BYTES", shape: [images, Math.min(top, classes)], data };
}
