import { ShapeError } from "@residual/core";

/** Throws ShapeError with the label of the constraint that does not hold, and what was found. */
export function check(holds: boolean, label: string, found: string): asserts holds {
  if (!holds) throw new ShapeError(label, found);
}
