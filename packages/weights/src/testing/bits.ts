import { readTensor } from "@residual/core";
import type { Weights } from "../weights.ts";

/** All that tensors are, by name and in the names' order, to be compared. */
export async function bitsOf({ tensors }: Weights): Promise<ReadonlyMap<string, unknown>> {
  const read = new Map<string, unknown>();
  for (const [name, source] of tensors) {
    const { dtype, shape, data } = await readTensor(source);
    read.set(name, [dtype, shape, Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString("hex")]);
  }
  return new Map([...read].sort(([a], [b]) => (a < b ? -1 : 1)));
}
