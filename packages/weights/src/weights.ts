import type { NamedSource } from "@residual/core";

/** Named tensors and lazy sources, in their file's order, with what the file says of itself. Parameter names are `state_dict` keys. */
export interface Weights {
  readonly tensors: ReadonlyMap<string, NamedSource>;
  readonly metadata: Readonly<Record<string, string>>;
}
