import type { NamedSource, WorkOptions } from "@residual/core";
import { writeAtomic } from "@residual/kit/files";
import { placeTensors } from "./encode-safetensors.ts";
import type { Metadata, Named } from "./named-tensors.ts";
import { numbersOf } from "./numbers-of.ts";

/**
 * Writes tensors as a safetensors file. `readWeights` returns them bit for bit. Lazy sources are read while the file is
 * written. At any time, `path` holds either the old file or the complete new one. `options.onProgress` counts bytes.
 *
 * Throws FormatError as encodeSafetensors does, and if `path` cannot be written; AbortError.
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
