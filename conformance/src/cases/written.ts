import { type OpName, toFloat64 } from "@residual/core";
import type { OpCase } from "../ops/op-suite.ts";
import { opNames, suites } from "../ops/suites.ts";
import type { Trial } from "../trial.ts";

/** What a model computes as it goes; the rest it holds as constants. */
const images: ReadonlySet<string> = new Set(["x", "a", "b", "gate", "residual"]);

/** The cases of every op that are written down. */
export function writtenTrials(kind: "byHand" | "special"): readonly Trial[] {
  return opNames.flatMap((op) => suites[op][kind].map((each) => trialOf(op, each)));
}

function trialOf(op: OpName, { name, inputs, options = {}, expected, shows }: OpCase<OpName>): Trial {
  return {
    name: `${op}: ${name}`,
    op,
    attributes: options,
    inputs: { ...inputs },
    constants: constantsAmong(Object.keys(inputs)),
    answer: toFloat64(expected),
    ...(shows && { shows }),
  };
}

export function constantsAmong(inputs: readonly string[]): ReadonlySet<string> {
  return new Set(inputs.filter((name) => !images.has(name)));
}
