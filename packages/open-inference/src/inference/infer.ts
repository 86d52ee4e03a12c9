import { type Signal, type Tensor, tensorOf, WeightsError } from "@residual/core";
import { RequestError } from "../errors.ts";
import type { Model } from "../service.ts";
import { float32Of, type RequestTensor } from "./datatypes.ts";

/** A request of the Open Inference Protocol, the same for JSON, binary data and gRPC. */
export interface InferenceRequest {
  readonly inputs: readonly RequestTensor[];
  /** Default: all outputs of the model. */
  readonly outputs?: readonly RequestedOutput[] | undefined;
}

export interface RequestedOutput {
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
  readonly signal?: Signal | undefined;
  /** Milliseconds from now. */
  readonly deadline?: number | undefined;
  /** The most images of a request. */
  readonly maxImages: number;
}

/**
 * Runs a model on the request's tensor. Throws RequestError (400) for an unknown name, datatype or output and for a
 * shape that the model does not have, and what `Model.infer` throws.
 */
export async function infer(
  model: Model,
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

function outputNamed(model: Model, name: string): string {
  const known: readonly string[] = model.outputs.map((output) => output.name);
  if (known.includes(name)) return name;
  throw new RequestError(400, `${model.name} has no output ${name}, expected ${known.join(", ")}`);
}

function imageOf(model: Model, inputs: readonly RequestTensor[], maxImages: number): Tensor<"float32"> {
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
function classified(model: Model, name: string, tensor: Tensor<"float32">, top: number): OutputTensor {
  if (tensor.shape.length !== 2) {
    throw new RequestError(400, `output ${name} has rank ${tensor.shape.length}; classification is for [N, C]`);
  }
  const [images = 0, classes = 0] = tensor.shape;
  const labels = name === "embedding" ? undefined : model.labels;
  const data = Array.from({ length: images }, (_, image) => {
    const row = tensor.data.subarray(image * classes, (image + 1) * classes);
    const best = [...row.keys()].toSorted((a, b) => rank(row[b]!) - rank(row[a]!)).slice(0, top);
    return best.map((index) => [row[index]!.toFixed(6), index, ...(labels ? [labels[index]] : [])].join(":"));
  }).flat();
  return { name, datatype: "BYTES", shape: [images, Math.min(top, classes)], data };
}

/** NaN counts as largest, as in PyTorch, so that it shows. */
const rank = (value: number): number => (Number.isNaN(value) ? Number.POSITIVE_INFINITY : value);
