import type { NamedSource, WorkOptions } from "@residual/core";
import { writeAtomic } from "@residual/kit/files";
import { placeTensors } from "./encode-safetensors.ts";
import type { Metadata, Named } from "./named-tensors.ts";
import { numbersOf } from "./numbers-of.ts";

/**
 * Writes tensors as a safetensors file, for `readWeights` to give back bit for bit. Lazy sources are read while they
 * are written. `path` holds the old file or the whole new one at any time. `options.onProgress` counts bytes.
 * Throws FormatError as encodeSafetensors does and where `path` cannot be written, AbortError.
 */
export async function writeSafetensors(
  path: string,
  tensors: Named<NamedSource>,
  metadata: Metadata = {},
  options: WorkOptions = {},
): Promise<void> {
  const { header, data } = placeTensors(tensors, metadata);
  const pieces = [header, ...data.map(numbersOf)];
  await writeAtomic([{ path, pieces }], { ...options, stage: "write weights" });
}
