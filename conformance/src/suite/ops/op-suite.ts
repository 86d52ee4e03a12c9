import type { AttributesOf, CompositeName, InputsOf, OpName, ops, Tensor, Trait, Value } from "@residual/core";
import type { Arbitrary } from "fast-check";
import type { Arithmetic } from "../arithmetic.ts";

/** An op on a few numbers, with the answer worked out by hand. */
export interface OpCase<Name extends OpName> {
  /** The purpose of the case; unique within the op. Only reports show it. */
  readonly name: string;
  readonly inputs: InputsOf<Name, Tensor<"float32">>;
  readonly options?: NonNullable<Parameters<(typeof ops)[Name]>[1]>;
  readonly expected: Tensor<"float32" | "float64">;
  /** Traits that make a backend fail this case. */
  readonly shows?: readonly Trait[];
}

/** An application of an op, without its numbers. */
export interface Draft {
  readonly shapes: { readonly [input: string]: readonly number[] };
  readonly attributes?: object;
}

export type Operands<Name extends OpName, Type extends "float32" | "float64"> = InputsOf<Name, Tensor<Type>>;

/** A node's answer in float64, and the arithmetic that a backend may use. */
export interface ExactAnswer {
  readonly value: Float64Array;
  readonly shape: readonly number[];
  readonly arithmetic: Arithmetic;
}

/** An op applied to the inputs of one output element, with few other inputs. */
export interface Cut {
  readonly inputs: { readonly [input: string]: Tensor<"float32"> };
  readonly attributes: object;
  /** Flat index of the element in the smaller output; default 0. */
  readonly at?: number;
}

/** PyTorch's attributes, as the goldens write them. */
interface RecordedAttributes {
  readonly stride?: [number, number];
  readonly pads?: [number, number, number, number];
  readonly dilation?: [number, number];
  readonly groups?: number;
  readonly kernel?: [number, number];
  readonly epsilon?: number;
  readonly ceilMode?: boolean;
  readonly channelsBefore?: number;
  readonly channelsAfter?: number;
}

/** Builds a recorded case from our ops. */
export type Recorded = (inputs: { readonly [name: string]: Value }, attributes: RecordedAttributes) => Value;

/** The suite's complete knowledge of one op: the cases to run, and the allowed error. */
export type OpSuite<Name extends OpName> = Cases<Name> &
  (Name extends CompositeName ? Partial<Bounds<Name>> : Bounds<Name>);

interface Bounds<Name extends OpName> {
  /**
   * The largest error of each element in float32, for inputs that float32 holds exactly. It holds for any order of
   * summation, with or without fused multiply-adds. docs/tolerances.md derives each bound. The bound of a composite
   * follows from its parts; a composite that backends fuse states a bound.
   */
  bound(inputs: Operands<Name, "float64">, attributes: AttributesOf<Name>, answer: ExactAnswer): Float64Array;
}

interface Cases<Name extends OpName> {
  /** At least four cases, each worked out on paper. */
  readonly byHand: readonly OpCase<Name>[];
  /**
   * NaN, infinities, subnormal numbers, and numbers near the largest of float32. The expected answers follow PyTorch
   * and IEEE 754: NaN propagates, ∞ − ∞ and 0 · ∞ are NaN, and a sum beyond the largest number is ∞. −0 counts as 0,
   * and a subnormal number may become 0 (docs/tolerances.md).
   */
  readonly special: readonly OpCase<Name>[];
  /** Shapes and attributes for random trials. The op takes every draft. */
  readonly draft: Arbitrary<Draft>;
  /** Half-open range of the random numbers of an input; default [-2, 2). */
  readonly ranges?: { readonly [Input in keyof InputsOf<Name, unknown>]?: readonly [from: number, to: number] };
  /** Makes random inputs agree with one another, for ops whose inputs are not independent. */
  readonly agree?: (inputs: Operands<Name, "float32">) => Operands<Name, "float32">;
  /**
   * The effect of the inputs' errors on each element of the output, for composites with this op as a part. An input
   * without an entry in `errors` is exact. The bound of the op must grow with the size of its inputs. A composite needs
   * no `carry`: its parts have one.
   */
  carry?(
    inputs: Operands<Name, "float64">,
    errors: Partial<Operands<Name, "float64">>,
    attributes: AttributesOf<Name>,
    shape: readonly number[],
  ): Float64Array;
  /**
   * For ops whose output takes too long to evaluate in float64 at the sizes of real networks. Cuts out the receptive
   * field of one element. The op then evaluates and bounds this field, so no formula is written twice.
   */
  cut?(inputs: Operands<Name, "float32">, attributes: AttributesOf<Name>, index: readonly number[]): Cut;
  /** PyTorch's recorded answers (golden/ops), by the goldens' name for the op. */
  readonly recorded?: { readonly [golden: string]: Recorded };
}
