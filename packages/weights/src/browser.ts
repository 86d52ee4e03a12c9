import { type ReadWeights, weightsReader } from "./reader.ts";
import { readOpen } from "./readers.ts";

export * from "./exports.ts";

/**
 * The weights of whatever a page holds: a File that the user chose, a URL or text, which is fetched, the name of known
 * weights, a Response, a Blob, bytes, a stream. As in Node, but for files: all numbers are in memory.
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
