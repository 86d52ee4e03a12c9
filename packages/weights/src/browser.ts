import { type ReadWeights, weightsReader } from "./reader.ts";
import { readOpen } from "./readers.ts";

export * from "./exports.ts";

/**
 * Reads weights in a page, as `readWeights` does in Node, except from paths. Sources: a File that the user chose, a URL
 * (fetched), the name of known weights, a Response, a Blob, bytes, a stream. All numbers are in memory.
 */
export const readWeights: ReadWeights = weightsReader({
  isPlace: async (text) =>
    /^[./]|^[a-z]+:\/\/|^(data|blob|file):|\.(safetensors|bin|pth?|th|json|onnx|h5|keras|npz|npy)$/i.test(text),
  async readNamed(name, named, options) {
    const { openNamed } = await import("./download/web.ts");
    const { file, configurations } = await openNamed(name, named, options);
    const weights = await readOpen(file, options);
    if (configurations.every((each) => each === undefined)) return weights;
    const { withConfiguration } = await import("./hugging-face.ts");
    return withConfiguration(weights, ...configurations);
  },
});
