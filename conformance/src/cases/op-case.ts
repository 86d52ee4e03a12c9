import { type InputsOf, type OpName, type ops, type Tensor, type Trait, toFloat64 } from "@residual/core";
import type { Trial } from "../trial.ts";

/** An op on a few numbers, with the answer worked out by hand. */
export interface OpCase<Name extends OpName> {
  /** The mistake that it would show. */
  readonly name: string;
  readonly inputs: InputsOf<Name, Tensor<"float32">>;
  readonly options?: NonNullable<Parameters<(typeof ops)[Name]>[1]>;
  readonly expected: Tensor<"float32" | "float64">;
  /** Traits that make a backend fail this case. */
  readonly shows?: readonly Trait[];
}

/** A table that has a row for every op: one without cases does not compile. */
export type OpCases = { readonly [Name in OpName]: readonly OpCase<Name>[] };

/** What a model computes as it goes; the rest it holds as constants. */
const images: ReadonlySet<string> = new Set(["x", "a", "b", "gate", "residual"]);

export function trialsOf(cases: { readonly [Name in OpName]?: readonly OpCase<Name>[] }): readonly Trial[] {
  return Object.entries(cases).flatMap(([op, rows]) =>
    (rows as readonly OpCase<OpName>[]).map(({ name, inputs, options = {}, expected, shows }) => ({
      name: `${op}: ${name}`,
      op: op as OpName,
      attributes: options,
      inputs: inputs as Trial["inputs"],
      constants: constantsAmong(Object.keys(inputs)),
      answer: toFloat64(expected),
      ...(shows && { shows }),
    })),
  );
}

export function constantsAmong(inputs: readonly string[]): ReadonlySet<string> {
  return new Set(inputs.filter((name) => !images.has(name)));
}
