import { graph, input, ops, readRows, sizeOf, version } from "@residual/core";
import { checkSizes, externalizeWeights } from "../external-data.ts";
import { lowerToOnnx } from "../lower.ts";
import { byteLength, copyOf, encodeModel, type Model, readModel } from "../model-proto.ts";
import { concatenate } from "../protobuf.ts";
import type { ModelSource, SourceVariable } from "./inference.ts";

/** Weights up to this many bytes are stored inside the model: a second buffer would cost more than it saves. */
const INLINE_BYTES = 1 << 20;

/** The name of the weights file, in memory or on disk. */
export const WEIGHTS = "weights.bin";

/** A model with its weights, in memory. Throws UnsupportedError for a tensor above 2 GB. */
export async function inMemory(model: Model): Promise<ModelSource> {
  checkSizes(model);
  const variables = await initialVariables(model);
  if (weightBytes(model) <= INLINE_BYTES) return { model: encode(await readModel(model)), variables };
  // Separate from the model, so that protobuf neither limits them to 2 GB nor copies them again.
  const { model: small, weights, length } = externalizeWeights(model, WEIGHTS);
  const data = new Uint8Array(length);
  for (const { weight, offset } of weights) {
    await readRows(weight.source, new Float32Array(data.buffer, offset, sizeOf(weight.source.shape)));
  }
  return { model: encode(small), externalData: { path: WEIGHTS, data }, variables };
}

/** The variables of a model, each with separate memory for its first value. */
export async function initialVariables({ variables }: Model): Promise<readonly SourceVariable[]> {
  const initial: SourceVariable[] = [];
  for (const { source, ...names } of variables) {
    const { shape, data } = await copyOf(source);
    initial.push({ ...names, initial: { shape, data } });
  }
  return initial;
}

/** A model of one node, which all builds of onnxruntime can run. */
export function smallestModel(): Uint8Array<ArrayBuffer> {
  const x = input("x", [1]);
  return encode(lowerToOnnx(graph({ name: "smallest", inputs: { x }, outputs: { y: ops.relu({ x }) } })));
}

/** The bytes of a model whose weights are external or in memory. */
export function encode(model: Model): Uint8Array<ArrayBuffer> {
  return concatenate(encodeModel(model, version));
}

function weightBytes({ initializers }: Model): number {
  return initializers.reduce((sum, each) => sum + byteLength(each), 0);
}
