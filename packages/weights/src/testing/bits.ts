import { readTensor } from "@residual/core";
import type { Weights } from "../weights.ts";

/** The dtype, shape and bits of all tensors, sorted by name, for comparisons. */
export async function bitsOf({ tensors }: Weights): Promise<ReadonlyMap<string, unknown>> {
  const read = new Map<string, unknown>();
  for (const [name, source] of tensors) {
    const { dtype, shape, data } = await readTensor(source);
    read.set(name, [dtype, shape, Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString("hex")]);
  }
  return new Map([...read].sort(([a], [b]) => (a < b ? -1 : 1)));
}
