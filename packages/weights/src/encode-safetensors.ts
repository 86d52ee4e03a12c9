import { type DType, FormatError, type NamedSource, type Tensor } from "@residual/core";
import { byteSizes, type StoredDType } from "./dtypes.ts";
import { byteLength, checkedTensors, type Metadata, metadataText, type Named, tensorBytes } from "./named-tensors.ts";
import { prefixLength } from "./safetensors.ts";

const storedAs = { float32: "F32", float64: "F64", int32: "I32", int64: "I64", uint8: "U8" } as const satisfies Record<
  DType,
  StoredDType
>;

/**
 * Encodes a safetensors file as pieces to be concatenated: the header, then views on the tensors' data. The header
 * lists the tensors in the given order. Data of wider dtypes come first, so that every tensor is aligned.
 *
 * Throws FormatError for a tensor whose data do not match its dtype and shape, and for names that the format cannot
 * represent.
 */
export function encodeSafetensors(tensors: Named<Tensor>, metadata: Metadata = {}): Uint8Array[] {
  const { header, data } = placeTensors(tensors, metadata);
  return [header, ...data.map(tensorBytes)];
}

/** The header of a file, and the order of its data. */
export function placeTensors<T extends NamedSource>(
  tensors: Named<T>,
  metadata: Metadata,
): { header: Uint8Array; data: T[] } {
  const named = checkedTensors(tensors);
  if (named.some(([name]) => name === "__metadata__"))
    throw new FormatError("a tensor cannot be named __metadata__, which is the format's own");
  const laid = named.toSorted(([, a], [, b]) => widthOf(b) - widthOf(a));
  const begins = new Map<string, number>();
  let length = 0;
  for (const [name, source] of laid) {
    begins.set(name, length);
    length += byteLength(source);
  }
  const members = named.map(([name, source]) => `${JSON.stringify(name)}:${entryText(source, begins.get(name)!)}`);
  if (Object.keys(metadata).length > 0) members.unshift(`"__metadata__":${metadataText(metadata)}`);
  return { header: encodeHeader(`{${members.join()}}`), data: laid.map(([, source]) => source) };
}

function widthOf({ dtype }: NamedSource): number {
  return byteSizes[storedAs[dtype]];
}

function entryText(source: NamedSource, begin: number): string {
  const { dtype, shape } = source;
  return JSON.stringify({ dtype: storedAs[dtype], shape, data_offsets: [begin, begin + byteLength(source)] });
}

/** The length of the header, then its text. Spaces pad the text so that the data start at a multiple of 8 bytes. */
function encodeHeader(text: string): Uint8Array {
  const encoded = new TextEncoder().encode(text);
  const length = Math.ceil(encoded.length / 8) * 8;
  const header = new Uint8Array(prefixLength + length).fill(0x20);
  new DataView(header.buffer).setBigUint64(0, BigInt(length), true);
  header.set(encoded, prefixLength);
  return header;
}
