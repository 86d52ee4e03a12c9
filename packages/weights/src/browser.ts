import { type ReadWeights, weightsReader } from "./reader.ts";
import { readOpen } from "./readers.ts";

export { encodeSafetensors } from "./encode-safetensors.ts";
export { type KerasConvolution, type KerasNetwork, kerasNetwork, type Rescaling } from "./keras-network.ts";
export type { KnownWeights } from "./known/known-weights.ts";
export { bestWeightsFor } from "./known/names.ts";
export { type Known, knownWeights, shippedWeights } from "./known.ts";
export type { Metadata, Named } from "./named-tensors.ts";
export type { ReadWeights, ReadWeightsOptions, WeightsSource } from "./reader.ts";
export { type Header, parseHeader } from "./safetensors.ts";
export { type NamingScheme, namingScheme, toTorchvision } from "./schemes.ts";
export type { TensorEntry } from "./tensor-entry.ts";
export {
  type FileGraph,
  type PreprocessingSource,
  readTensors,
  type Stored,
  Weights,
  type WeightsDetails,
} from "./weights.ts";

/**
 * The weights of whatever a page holds: a File that the user chose, a URL or text, which is fetched, the name of known
 * weights, a Response, a Blob, bytes, a stream. As in Node, but for files: all numbers are in memory.
 */
export const readWeights: ReadWeights = weightsReader({
  isPlace: async (text) =>
    /^[./]|^[a-z]+:\/\/|^(data|blob|file):|\.(safetensors|bin|pth?|th|json|onnx|h5|keras|npz)$/i.test(text),
  async readNamed(name, named, options) {
    const { openNamed } = await import("./download/web.ts");
    const { file, configurations } = await openNamed(name, named, options);
    const weights = await readOpen(file, options);
    if (configurations.every((each) => each === undefined)) return weights;
    const { withConfiguration } = await import("./hugging-face.ts");
    return withConfiguration(weights, ...configurations);
  },
});
