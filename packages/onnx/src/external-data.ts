import { UnsupportedError } from "@residual/core";
import { byteLength, type Initializer, initializerBytes, isWeight, type Model, type Weight } from "./model-proto.ts";

/** Alignment of weights, in bytes: a cache line, more than any dtype requires. */
const ALIGNMENT = 64;

/** Largest model and largest tensor of onnxruntime, in bytes: protobuf's limit. */
export const LARGEST_BYTES: number = 2 ** 31 - 1;

/** Weights and their position in the weights file, in bytes. */
export interface PlacedWeight {
  readonly weight: Weight;
  readonly offset: number;
}

/** A model with its weights in a separate file. */
export interface ExternalizedModel {
  readonly model: Model;
  readonly weights: readonly PlacedWeight[];
  /** Size of the weights file, in bytes. */
  readonly length: number;
}

/** Moves the weights of a model into a file named `location`, one after another, aligned. */
export function externalizeWeights(model: Model, location: string): ExternalizedModel {
  const weights: PlacedWeight[] = [];
  let length = 0;
  const initializers = model.initializers.map((initializer): Initializer => {
    if (!isWeight(initializer)) return initializer;
    const offset = length + (-length & (ALIGNMENT - 1));
    const external = { location, offset, length: byteLength(initializer) };
    weights.push({ weight: initializer, offset });
    length = offset + external.length;
    return { ...initializer, external };
  });
  return { model: { ...model, initializers }, weights, length };
}

/** The weights file in pieces: each tensor by reference, zeros in the gaps. The weights must be in memory. */
export function weightsFile({ weights }: ExternalizedModel): Uint8Array[] {
  let end = 0;
  return weights.flatMap(({ weight, offset }) => {
    const gap = new Uint8Array(offset - end);
    end = offset + byteLength(weight);
    return [gap, initializerBytes(weight)];
  });
}

/** Throws UnsupportedError for a tensor above 2 GB: onnxruntime cannot load one in any form. */
export function checkSizes(model: Model): void {
  const large = model.initializers.find((each) => byteLength(each) > LARGEST_BYTES);
  if (!large) return;
  const limit = `onnxruntime takes at most ${LARGEST_BYTES} per tensor; split the layer`;
  throw new UnsupportedError(`onnx: ${large.name} has ${byteLength(large)} bytes, ${limit}`);
}
