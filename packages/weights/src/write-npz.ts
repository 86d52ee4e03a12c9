import { type DType, FormatError, type NamedSource, type WorkOptions } from "@residual/core";
import { writeAtomic } from "@residual/kit/files";
import { quote } from "./json-reader.ts";
import { checkedTensors, type Metadata, type Named } from "./named-tensors.ts";
import { numbersOf } from "./numbers-of.ts";
import { zipPieces } from "./write-zip.ts";

/** NumPy's names of the dtypes. */
const dtypes = { float32: "<f4", float64: "<f8", int32: "<i4", int64: "<i8", uint8: "|u1" } as const satisfies Record<
  DType,
  string
>;

/**
 * Writes tensors as a NumPy archive, as `np.savez` does. `np.load` and `readWeights` return them bit for bit. Lazy
 * sources are read twice while the file is written, because checksums precede the numbers. Metadata go to the zip's
 * comment, which NumPy ignores. At any time, `path` holds either the old file or the complete new one.
 * `options.onProgress` counts bytes.
 *
 * Throws FormatError for a tensor whose data do not match its dtype and shape, for names that a zip cannot hold, for
 * metadata of more than 64 KiB, and if `path` cannot be written; AbortError.
 */
export async function writeNpz(
  path: string,
  tensors: Named<NamedSource>,
  metadata: Metadata = {},
  options: WorkOptions = {},
): Promise<void> {
  const members = checkedTensors(tensors).map(([name, source]) => {
    if (name.includes("\0"))
      throw new FormatError(`the tensor name ${quote(name)} holds a zero, at which NumPy ends it; rename it`);
    return { name: `${name}.npy`, pieces: [headerOf(source), numbersOf(source)] };
  });
  await writeAtomic([{ path, pieces: await zipPieces(members, metadata, options) }], {
    ...options,
    stage: "write weights",
  });
}

/**
 * A header of version 1.0, padded so that the numbers begin at a multiple of 64 bytes. Source:
 * numpy/lib/_format_impl.py.
 */
function headerOf({ dtype, shape }: NamedSource): Uint8Array {
  const sizes = shape.map((size) => `${size},`).join(" ");
  const text = `{'descr': '${dtypes[dtype]}', 'fortran_order': False, 'shape': (${sizes}), }`;
  const length = Math.ceil((10 + text.length + 1) / 64) * 64;
  const padded = `\x93NUMPY\x01\0${String.fromCharCode((length - 10) & 255, (length - 10) >> 8)}${text}`.padEnd(
    length - 1,
  );
  return Uint8Array.from(`${padded}\n`, (character) => character.charCodeAt(0));
}
