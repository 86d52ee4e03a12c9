import { type AnyNode, type OpName, ops, type Tensor } from "@residual/core";
import * as all from "./index.ts";
import type { Answer, Cut, OpSuite } from "./op-suite.ts";

/** What the suite knows of every op. A new op is its file and a line in index.ts, without which this does not compile. */
export const suites: { readonly [Name in OpName]: OpSuite<Name> } = all;

/** What the suite knows of an op, for code that treats all ops alike. */
export interface PlainSuite {
  bound(
    inputs: { readonly [input: string]: Tensor<"float64"> },
    attributes: AnyNode["attributes"],
    answer: Answer,
  ): Float64Array;
  cut?(inputs: Cut["inputs"], attributes: object, index: readonly number[]): Cut;
}

export function suiteOf(op: OpName): PlainSuite {
  return suites[op];
}

export const opNames: readonly OpName[] = Object.keys(ops) as OpName[];
