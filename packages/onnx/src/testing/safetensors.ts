import { open, stat, writeFile } from "node:fs/promises";
import { FormatError, type LazySource, type Tensor } from "@residual/core";

/**
 * Writes tensors as a .safetensors file, by hand: 8 bytes of header length, the header in JSON, the numbers. Answers
 * them as sources that read the file, as our reader of such files does. Source: github.com/huggingface/safetensors,
 * README.
 */
export async function writeSafetensors(
  path: string,
  tensors: { readonly [name: string]: Tensor<"float32"> },
): Promise<{ [name: string]: LazySource }> {
  const header: { [name: string]: object } = {};
  let end = 0;
  for (const [name, { shape, data }] of Object.entries(tensors)) {
    header[name] = { dtype: "F32", shape, data_offsets: [end, end + data.byteLength] };
    end += data.byteLength;
  }
  const json = Buffer.from(JSON.stringify(header));
  const text = Buffer.concat([json, Buffer.alloc(-json.length & 7, " ")]);
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(text.length));
  const bodies = Object.values(tensors).map(({ data }) => Buffer.from(data.buffer, data.byteOffset, data.byteLength));
  await writeFile(path, Buffer.concat([length, text, ...bodies]));
  const written = (await stat(path)).mtimeMs;
  let offset = 8 + text.length;
  const placed = Object.entries(tensors).map(([name, tensor]) => {
    const place = { path, offset, written };
    offset += tensor.data.byteLength;
    return [name, inFile(tensor, place)] as const;
  });
  return Object.fromEntries(placed);
}

function inFile(
  { dtype, shape, data }: Tensor<"float32">,
  { path, offset, written }: { readonly path: string; readonly offset: number; readonly written: number },
): LazySource {
  const row = data.byteLength / shape[0]!;
  return {
    dtype,
    shape,
    firstNonFinite: -1,
    async read(into, { first, end }) {
      const found = await stat(path).catch(() => undefined);
      if (found?.mtimeMs !== written) throw new FormatError(`${path}: the file has changed`);
      await using file = await open(path);
      const { buffer } = await file.read(
        Buffer.alloc((end - first) * row),
        0,
        (end - first) * row,
        offset + first * row,
      );
      into.set(new Float32Array(buffer.buffer, buffer.byteOffset, into.length));
    },
  };
}
