import { stat, writeFile } from "node:fs/promises";
import type { Tensor } from "@residual/core";

/**
 * Writes tensors as a .safetensors file, by hand: 8 bytes of header length, the header in JSON, the numbers. Answers them
 * with their place in the file, as our reader of such files does. Source: github.com/huggingface/safetensors, README.
 */
export async function writeSafetensors(
  path: string,
  tensors: { readonly [name: string]: Tensor<"float32"> },
): Promise<{ [name: string]: Tensor<"float32"> }> {
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
    const source = { path, offset, isCurrent: () => isAsWritten(path, written) };
    offset += tensor.data.byteLength;
    return [name, { ...tensor, source }] as const;
  });
  return Object.fromEntries(placed);
}

async function isAsWritten(path: string, written: number): Promise<boolean> {
  const found = await stat(path).catch(() => undefined);
  return found?.mtimeMs === written;
}
