import { type OpName, rolesOf, toFloat64 } from "@residual/core";
import type { OpCase } from "../ops/op-suite.ts";
import { opNames, suites, trainingOpNames } from "../ops/suites.ts";
import type { Trial } from "../trial.ts";

/** The cases that are written by hand, of the ops of models by default. */
export function writtenTrials(kind: "byHand" | "special", names: readonly OpName[] = opNames): readonly Trial[] {
  return names.flatMap((op) => suites[op][kind].map((each) => trialOf(op, each)));
}

function trialOf(op: OpName, { name, inputs, options = {}, expected, shows }: OpCase<OpName>): Trial {
  return {
    name: `${op}: ${name}`,
    op,
    attributes: options,
    inputs: { ...inputs },
    constants: constantsAmong(op, Object.keys(inputs)),
    answer: toFloat64(expected),
    ...(shows && { shows }),
  };
}

/** The inputs that a model holds as constants: an op's inputs that are not data. */
export function parametersAmong(op: OpName, inputs: readonly string[]): ReadonlySet<string> {
  const roles = rolesOf(op);
  return new Set(inputs.filter((name) => roles[name] !== "data"));
}

/** What a model holds as constants is a variable in training. */
function constantsAmong(op: OpName, inputs: readonly string[]): ReadonlySet<string> {
  return trainingOpNames.some((name) => name === op) ? new Set() : parametersAmong(op, inputs);
}
