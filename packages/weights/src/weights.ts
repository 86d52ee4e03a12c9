import type { Tensor } from "@residual/core";

/** Named tensors, in their file's order, with what the file says of itself. Parameter names are `state_dict` keys. */
export interface Weights {
  readonly tensors: ReadonlyMap<string, Tensor>;
  readonly metadata: Readonly<Record<string, string>>;
}
