import { stat } from "node:fs/promises";
import { readFile } from "./read-file.ts";
import { type ReadWeights, weightsReader } from "./reader.ts";

/** Whether text is an address, or a path that exists. A local path takes precedence over a name. */
async function isPlace(text: string): Promise<boolean> {
  if (/^(https?:\/\/|file:|data:|blob:)/i.test(text)) return true;
  return (await stat(text).catch(() => undefined)) !== undefined;
}

/**
 * Reads the weights of a source: a path, a `file:` or http(s) URL, a name, a Blob, File, Response, memory of any realm,
 * or a stream. The bytes determine the format. A path may also be the index of shards in the same folder, or a folder
 * in the layout of the Hugging Face hub. F16 and BF16 become float32.
 *
 * A name is one of `knownWeights()`; a model's name, for its most accurate weights, torchvision's if there are any; or
 * `hf:owner/name` or `hf:owner/name@revision` for a repository of the Hugging Face hub. Named weights are downloaded
 * once, to the user's cache folder. An existing path takes precedence over a name.
 *
 * This is the one way to read weights. Pass the graph if there is one: `bind(graph, await readWeights(file, { graph
 * }))` works with any prefix of the names in the file. Without a graph, the names are the file's.
 *
 * A small file is read into one buffer, and the tensors are views on it. A file of 32 MiB or more is only scanned for
 * NaN and infinity. Its large tensors are lazy sources, which read rows from the file when a backend needs them. The
 * file must not change until then; a read throws FormatError if it has changed. Tensors of bytes in memory are views on
 * the bytes.
 *
 * `options.onProgress` counts bytes. Throws WeightsError for a file that is missing or cannot be opened, and if it
 * lacks tensors that the options request; FormatError for a damaged file; UnsupportedError for formats and dtypes that
 * are not supported; AbortError; OutOfMemoryError.
 */
export const readWeights: ReadWeights = weightsReader({
  readFile,
  isPlace,
  async readNamed(name, named, options) {
    const { pull } = await import("./download/pull.ts");
    return readFile(await pull(name, named, options), options);
  },
});
