import type { NamedSource, WorkOptions } from "@residual/core";
import { writeAtomic } from "@residual/kit/files";
import { checkedTensors, type Metadata, type Named } from "./named-tensors.ts";
import { numbersOf } from "./numbers-of.ts";
import { OrderedDict, type PythonValue, pickleOf } from "./write-pickle.ts";
import { zipPieces } from "./write-zip.ts";

/**
 * Writes tensors as `torch.save(state_dict, path)` does since PyTorch 1.6. `torch.load` and `readWeights` return them
 * bit for bit; `torch.load(path, weights_only=True)` returns an OrderedDict of tensors. Lazy sources are read twice
 * while the file is written, because checksums precede the numbers. Metadata go to the zip's comment, which PyTorch
 * ignores. At any time, `path` holds either the old file or the complete new one. `options.onProgress` counts bytes.
 *
 * Throws FormatError for a tensor whose data do not match its dtype and shape, for metadata of more than 64 KiB, and if
 * `path` cannot be written; AbortError.
 */
export async function writePyTorch(
  path: string,
  tensors: Named<NamedSource>,
  metadata: Metadata = {},
  options: WorkOptions = {},
): Promise<void> {
  await saveTorch(path, new OrderedDict(checkedTensors(tensors)), metadata, options);
}

/** Writes a value with tensors in it as `torch.save(value, path)` does. */
export async function saveTorch(
  path: string,
  value: PythonValue,
  metadata: Metadata,
  options: WorkOptions,
): Promise<void> {
  const { pickle, tensors } = pickleOf(value);
  const text = (content: string) => [new TextEncoder().encode(content)];
  const members = [
    { name: "data.pkl", pieces: [pickle] },
    { name: "byteorder", pieces: text("little") },
    ...tensors.map((source, i) => ({ name: `data/${i}`, pieces: [numbersOf(source)] })),
    { name: "version", pieces: text("3\n") },
  ].map(({ name, pieces }) => ({ name: `archive/${name}`, pieces }));
  await writeAtomic([{ path, pieces: await zipPieces(members, metadata, options) }], {
    ...options,
    stage: "write weights",
  });
}
