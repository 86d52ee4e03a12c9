import { type AnyNode, evaluateOp, type Node, type Tensor } from "@residual/core";
import type { Answer } from "./ops/op-suite.ts";
import { suiteOf } from "./ops/suites.ts";

/** A value in float64, and how far from it each element of a correct answer may be. 0 asks for the very number. */
export interface Bounded {
  readonly value: Float64Array;
  readonly bound: Float64Array;
}

type Inputs = { readonly [input: string]: Tensor<"float64"> };

/** A node's answer, given its inputs as float64 numbers that are exact in the backend's arithmetic. */
export function answerOf({ op, attributes }: AnyNode & Node, inputs: Inputs, shape: readonly number[]): Float64Array {
  return evaluateOp({ op, attributes }, inputs, shape);
}

/** How far off that answer each element may be, given the same inputs. */
export function boundOf({ op, attributes }: AnyNode & Node, inputs: Inputs, answer: Answer): Float64Array {
  return suiteOf(op).bound(inputs, attributes, answer);
}
