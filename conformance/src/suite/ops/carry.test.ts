import { fill, mapValues, type OpName, type Tensor, tensorOf, toFloat64 } from "@residual/core";
import { describe, expect, it } from "vitest";
import { randomTrials } from "../cases/random.ts";
import { outputShape } from "../trial.ts";
import { evaluate } from "./carry.ts";
import { opNames, suiteOf, suites, trainingOpNames } from "./suites.ts";

type Tensors = { readonly [input: string]: Tensor<"float64"> };

const carrying = [...opNames, ...trainingOpNames].filter((op) => "carry" in suites[op]);

/** Inputs whose errors have no rule: a pool's winner may change. */
const exactInputs: { readonly [op: string]: readonly string[] } = { maxPool2dGradient: ["x"] };

/** Random errors of up to `most`, and the inputs moved by up to as much. */
function moved(op: OpName, inputs: Tensors, most: number): { readonly errors: Tensors; readonly others: Tensors } {
  const names = Object.keys(inputs).filter((name) => !exactInputs[op]?.includes(name));
  const errors = Object.fromEntries(
    names.map((name) => [name, toFloat64(fill("carry", `${op}/${name}`, inputs[name]!.shape, 0, most))]),
  );
  const others = mapValues(inputs, (tensor, name) => {
    const error = errors[name];
    if (!error) return tensor;
    const { data } = fill("carry", `${op}/${name}/moved`, tensor.shape, -1, 1);
    return tensorOf(
      "float64",
      tensor.shape,
      tensor.data.map((each, i) => Math.max(each + data[i]! * error.data[i]!, least[op] ?? -Infinity)),
    );
  });
  return { errors, others };
}

/** The least number that an op takes, where it does not take all. */
const least: { readonly [op: string]: number } = { sqrt: 0 };

/** What is left of float64's own rounding, relative to the number. */
const ROUNDING = 1e-12;

describe("inputs within their errors give an answer within what the op carries on", () => {
  it.each(carrying)("%s", (op) => {
    for (const { inputs: given, attributes, ...trial } of randomTrials(op, { seed: 11, runs: 20 })) {
      const inputs: Tensors = mapValues(given, toFloat64);
      const shape = outputShape({ ...trial, inputs: given, attributes });
      for (const most of [1e-6, 0.1]) {
        const { errors, others } = moved(op, inputs, most);
        const carried = suiteOf(op).carry!(inputs, errors, attributes, shape);
        const [exact, other] = [inputs, others].map((each) => evaluate(op, each, attributes, shape));
        for (const [i, value] of exact!.entries()) {
          const distance = Math.abs(other![i]! - value);
          expect(distance, `${op}[${i}]`).toBeLessThanOrEqual(carried[i]! + ROUNDING * (1 + Math.abs(value)));
        }
      }
    }
  });
});
