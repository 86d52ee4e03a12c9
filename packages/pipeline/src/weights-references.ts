import type { NamedSource } from "@residual/core";
import type { WeightsReference } from "./child-process/protocol.ts";

const references = new WeakMap<NamedSource, WeightsReference>();

/** Remembers the origins of sources, so that another process can read them itself. */
export function rememberSources(
  { weights, prefix }: Omit<WeightsReference, "tensor">,
  tensors: ReadonlyMap<string, NamedSource>,
): void {
  for (const [tensor, source] of tensors) references.set(source, { weights, prefix, tensor });
}

export function referenceOf(source: NamedSource): WeightsReference | undefined {
  return references.get(source);
}
