import { type AnyNode, type BackendDescription, isOpName, ShapeError, type Tensor } from "@residual/core";
import { arithmeticOf } from "./arithmetic.ts";
import { suiteOf } from "./ops/suites.ts";
import { expectationOf } from "./trial.ts";

/** One element of a node's output in float64, and the largest error that a backend's element may have. */
export interface ElementBound {
  readonly value: number;
  readonly bound: number;
}

/**
 * The bound of the level `nodes` for one element of a node's output, at flat index `at`. `inputs` are the numbers that
 * the backend had, by the op's input names. `backend` is its description, for algorithms with bounds of their own.
 *
 * Throws ShapeError for an unknown op, UnsupportedError for an algorithm without a bound.
 */
export function elementBound(
  { op, attributes }: Pick<AnyNode, "op" | "attributes">,
  inputs: { readonly [input: string]: Tensor<"float32"> },
  at: number,
  backend: Pick<BackendDescription, "algorithms"> = {},
): ElementBound {
  if (!isOpName(op)) throw new ShapeError("op", `no op is called ${op}`);
  const isCut = suiteOf(op).cut !== undefined; // other ops are evaluated whole
  const trial = { name: op, op, attributes, inputs, constants: new Set<string>(), ...(isCut && { samples: [at] }) };
  const { value, bound } = expectationOf(trial, arithmeticOf(backend));
  return { value: value[isCut ? 0 : at]!, bound: bound[isCut ? 0 : at]! };
}
