import type { NamedSource } from "@residual/core";

/** Where the numbers of a source are: under which name, in weights that go by which name or path. */
export interface SourceReference {
  readonly weights: string;
  readonly tensor: string;
}

const references = new WeakMap<NamedSource, SourceReference>();

/** Remembers where sources come from, so that another process can read them for itself. */
export function rememberSources(weights: string, tensors: ReadonlyMap<string, NamedSource>): void {
  for (const [tensor, source] of tensors) references.set(source, { weights, tensor });
}

export function referenceOf(source: NamedSource): SourceReference | undefined {
  return references.get(source);
}
