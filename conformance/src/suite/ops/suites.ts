import type { AnyNode, ModelOpName, OpName, Tensor } from "@residual/core";
import * as ofModels from "./index.ts";
import type { Cut, ExactAnswer, OpSuite } from "./op-suite.ts";
import * as ofTraining from "./training/index.ts";

/** The ops that only training has. */
export type TrainingOpName = Exclude<OpName, ModelOpName>;

const modelSuites: { readonly [Name in ModelOpName]: OpSuite<Name> } = ofModels;
const trainingSuites: { readonly [Name in TrainingOpName]: OpSuite<Name> } = ofTraining;

/**
 * The suite of each op. A new op is its file and a line in an index.ts; without the line these tables do not compile.
 */
export const suites: { readonly [Name in OpName]: OpSuite<Name> } = { ...modelSuites, ...trainingSuites };

type Tensors = { readonly [input: string]: Tensor<"float64"> };

/** The suite of an op, for code that treats all ops alike. */
export interface PlainSuite {
  bound?(inputs: Tensors, attributes: AnyNode["attributes"], answer: ExactAnswer): Float64Array;
  carry?(inputs: Tensors, errors: Tensors, attributes: object, shape: readonly number[]): Float64Array;
  cut?(inputs: Cut["inputs"], attributes: object, index: readonly number[]): Cut;
  agree?(inputs: Cut["inputs"]): Cut["inputs"];
}

/** The suite of an op, by its name. */
export function suiteOf(op: string): PlainSuite {
  return suites[op as OpName] ?? {};
}

/** The ops of models. */
export const opNames: readonly ModelOpName[] = Object.keys(modelSuites) as ModelOpName[];

export const trainingOpNames: readonly TrainingOpName[] = Object.keys(trainingSuites) as TrainingOpName[];
