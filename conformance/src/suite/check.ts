import { formatShape } from "@residual/core";
import type { Check, Worst } from "../report/types.ts";
import { compare, type Outcome, type Trial } from "./trial.ts";

/** A trial's outcome as a check. */
export function checkOf(outcome: Outcome): Check {
  const { trial, shape, share, worst, error } = outcome;
  const what = whatOf(trial, shape);
  const { name, op, shows } = trial;
  const common = { name, op, passed: share <= 1, share, what, ...(shows && { shows }), ...(worst && { worst }) };
  if (common.passed) return common;
  return { ...common, message: error ? `${error.code}: ${error.message}` : offBy(worst!, share) };
}

/** Numbers of a backend, with the expected numbers and the allowed errors. */
interface ComparedNumbers {
  readonly found: ArrayLike<number>;
  readonly expected: ArrayLike<number>;
  readonly bound: ArrayLike<number>;
  /** The position of a number, by axis of its tensor. */
  readonly indexAt: (place: number) => readonly number[];
}

/** Compares numbers with their bounds. */
export function heldAgainst(
  of: Pick<Check, "name" | "op">,
  { found, expected, bound, indexAt }: ComparedNumbers,
): Check {
  const { share, at } = compare(found, expected, bound);
  const worst = { index: indexAt(at), expected: expected[at]!, found: found[at]!, bound: bound[at]! };
  const common = { ...of, passed: share <= 1, share, worst };
  return common.passed ? common : { ...common, message: offBy(worst, share) };
}

/** An answer that cannot be compared, since its shape is wrong. */
export function misshapen(
  of: Pick<Check, "name" | "op">,
  found: readonly number[],
  expected: readonly number[],
): Check {
  const message = `the answer is ${formatShape(found)}, expected ${formatShape(expected)}`;
  return { ...of, passed: false, share: Infinity, message };
}

/** `conv2d(x 1×16×32×32, weight conv1.weight 16×16×3×3, stride [1,1], …) -> 1×16×32×32`. */
export function whatOf({ op, inputs, attributes, names = {} }: Trial, shape: readonly number[]): string {
  const tensors = Object.entries(inputs).map(([input, tensor]) =>
    [input, names[input], formatShape(tensor.shape)].filter(Boolean).join(" "),
  );
  const options = Object.entries(attributes).map(([name, value]) => `${name} ${JSON.stringify(value)}`);
  return `${op}(${[...tensors, ...options].join(", ")}) -> ${formatShape(shape)}`;
}

/** A text about the element with the largest error. */
function offBy({ index, expected, found, bound }: Worst, share: number): string {
  const off =
    bound === 0 ? "where nothing is rounded" : `${share.toPrecision(3)} times its bound of ${bound.toPrecision(3)}`;
  return `at [${index.join(", ")}] expected ${expected}, got ${found}, ${off}`;
}

/** An outcome as one line. */
export function describeOutcome(outcome: Outcome): string {
  const { name, what, message, share } = checkOf(outcome);
  return `${name}: ${what}: ${message ?? `${share!.toPrecision(3)} of its bound`}`;
}
