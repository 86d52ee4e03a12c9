import type { AnyNode, ModelOpName, Tensor } from "@residual/core";
import * as all from "./index.ts";
import type { Cut, ExactAnswer, OpSuite } from "./op-suite.ts";

/**
 * The suite of an op of models. A new op is its file and a line in index.ts; without the line this table does not
 * compile. The ops of training have no suites: PyTorch's gradients and training runs hold them in the tests of core and
 * of the adapters.
 */
export const suites: { readonly [Name in ModelOpName]: OpSuite<Name> } = all;

type Tensors = { readonly [input: string]: Tensor<"float64"> };

/** The suite of an op, for code that treats all ops alike. */
export interface PlainSuite {
  bound?(inputs: Tensors, attributes: AnyNode["attributes"], answer: ExactAnswer): Float64Array;
  carry?(inputs: Tensors, errors: Tensors, attributes: object, shape: readonly number[]): Float64Array;
  cut?(inputs: Cut["inputs"], attributes: object, index: readonly number[]): Cut;
}

/** The suite of an op, by its name. */
export function suiteOf(op: string): PlainSuite {
  return suites[op as ModelOpName] ?? {};
}

export const opNames: readonly ModelOpName[] = Object.keys(all) as ModelOpName[];
