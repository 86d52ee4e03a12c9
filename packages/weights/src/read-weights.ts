import { stat } from "node:fs/promises";
import { readFile } from "./read-file.ts";
import { type ReadWeights, weightsReader } from "./reader.ts";

/** An address, or what is there: a local path comes before a name. */
async function isPlace(text: string): Promise<boolean> {
  if (/^(https?:\/\/|file:|data:|blob:)/i.test(text)) return true;
  return (await stat(text).catch(() => undefined)) !== undefined;
}

/**
 * The weights of whatever a user holds: a path, a `file:` or http(s) URL, a name, a Blob, File, Response, memory of any
 * realm, or a stream. The bytes tell the format. A path may also be the index of shards, which lie beside it, or a
 * folder as the Hugging Face hub lays it out. F16 and BF16 become float32.
 *
 * Names are those of `knownWeights()`; a model's, for the most accurate of torchvision's; and `hf:owner/name` for a
 * repository of the Hugging Face hub, `hf:owner/name@revision` for a revision of it. What a name stands for is
 * downloaded once, into the user's cache folder. A path that is there comes before a name.
 *
 * This is the one way to read weights. For a graph, give it: `bind(graph, await readWeights(file, { graph }))` fits
 * whatever prefix the names in the file have. Without one the names are the file's.
 *
 * The data of a small file are read into one buffer, and the tensors are views on it. A file of 32 MiB or more is only
 * scanned for NaN and infinity: its large tensors are lazy sources, which read rows from the file whenever a backend
 * asks for them. The file must stay as it is until then; a read throws FormatError where it has changed. Tensors of
 * given bytes are views on the bytes.
 *
 * `options.onProgress` counts bytes. Throws WeightsError for a file that is missing or cannot be opened, or that does
 * not have what the options ask for; FormatError for one that is not what its format says; UnsupportedError for formats
 * and dtypes that are not read; AbortError; OutOfMemoryError.
 */
export const readWeights: ReadWeights = weightsReader({
  readFile,
  isPlace,
  async readNamed(name, named, options) {
    const { pull } = await import("./download/pull.ts");
    return readFile(await pull(name, named, options), options);
  },
});
