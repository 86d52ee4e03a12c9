import { version } from "@residual/core";
import { checkSizes, externalizeWeights } from "../external-data.ts";
import { byteLength, bytesOf, encodeModel, type Model } from "../model-proto.ts";
import { concatenate } from "../protobuf.ts";
import type { ModelSource } from "./protocol.ts";

/** Weights up to this many bytes go into the model itself: a second buffer would cost more than it saves. */
const INLINE_BYTES = 1 << 20;

/** The name of the weights file, in memory or on disk. */
export const WEIGHTS = "weights.bin";

/** A model with its weights, in memory. Throws UnsupportedError for a tensor above 2 GB. */
export function inMemory(model: Model): ModelSource {
  checkSizes(model);
  if (weightBytes(model) <= INLINE_BYTES) return { model: encode(model) };
  // Apart from the model, so that protobuf neither limits them to 2 GB nor copies them once more.
  const { model: small, weights, length } = externalizeWeights(model, WEIGHTS);
  const data = new Uint8Array(length);
  for (const { tensor, offset } of weights) data.set(bytesOf(tensor), offset);
  return { model: encode(small), externalData: { path: WEIGHTS, data } };
}

/** The bytes of a model. */
export function encode(model: Model): Uint8Array<ArrayBuffer> {
  return concatenate(encodeModel(model, version));
}

function weightBytes({ initializers }: Model): number {
  return initializers.reduce((sum, { tensor }) => sum + byteLength(tensor), 0);
}
