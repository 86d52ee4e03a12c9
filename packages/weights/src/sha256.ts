import type { Tensor } from "@residual/core";

/** SHA-256, in hex, of tensors' float32 bytes (little-endian), one after the other: the goldens' `weightsSha256`. */
export async function weightsSha256(tensors: Iterable<Tensor<"float32">>): Promise<string> {
  const { createHash } = await import("node:crypto");
  const hash = createHash("sha256");
  for (const { data } of tensors) hash.update(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  return hash.digest("hex");
}

/** The same of a single tensor: the goldens' `input.sha256`. */
export function inputSha256(input: Tensor<"float32">): Promise<string> {
  return weightsSha256([input]);
}
