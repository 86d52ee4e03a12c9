import type { AttributesOf, CompositeName, InputsOf, OpName, ops, Tensor, Trait, Value } from "@residual/core";
import type { Arbitrary } from "fast-check";
import type { Arithmetic } from "../arithmetic.ts";

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

/** An application of an op, without its numbers. */
export interface Draft {
  readonly shapes: { readonly [input: string]: readonly number[] };
  readonly attributes?: object;
}

export type Operands<Name extends OpName, Type extends "float32" | "float64"> = InputsOf<Name, Tensor<Type>>;

/** A node's answer in float64, and the arithmetic that a backend may compute it in. */
export interface Answer {
  readonly value: Float64Array;
  readonly shape: readonly number[];
  readonly arithmetic: Arithmetic;
}

/** An op applied to little more than what one element of its output is made of. */
export interface Cut {
  readonly inputs: { readonly [input: string]: Tensor<"float32"> };
  readonly attributes: object;
  /** Where the element lies in the output, where there is more of it than that element: flat. */
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

/** How a recorded case is said in our ops. */
export type Recorded = (inputs: { readonly [name: string]: Value }, attributes: RecordedAttributes) => Value;

/** All that the suite knows of one op: what it runs, and how far off each answer may be. */
export type OpSuite<Name extends OpName> = Cases<Name> &
  (Name extends CompositeName ? Partial<Bounds<Name>> : Bounds<Name>);

interface Bounds<Name extends OpName> {
  /**
   * The error that float32 may make on exact float32 inputs, per element: in any order of summation, with fused
   * multiply-adds or without. docs/tolerances.md derives each. That of a composite follows from its parts; one that backends
   * fuse needs its own.
   */
  bound(inputs: Operands<Name, "float64">, attributes: AttributesOf<Name>, answer: Answer): Float64Array;
}

interface Cases<Name extends OpName> {
  /** Each small enough to be worked out on paper, and is. At least four. */
  readonly byHand: readonly OpCase<Name>[];
  /**
   * Numbers that are none, or that are at the ends of float32. What they make of the op is PyTorch's answer, and IEEE 754's:
   * NaN travels, ∞ − ∞ and 0 · ∞ are NaN, a sum beyond the largest number is ∞. −0 is 0, and a subnormal number may be 0
   * (docs/tolerances.md).
   */
  readonly special: readonly OpCase<Name>[];
  /** Shapes and attributes for random trials. The op takes every draft. */
  readonly draft: Arbitrary<Draft>;
  /** From where to below where an input's random numbers are; from -2 to below 2 where not given. */
  readonly ranges?: { readonly [Input in keyof InputsOf<Name, unknown>]?: readonly [from: number, to: number] };
  /**
   * How far errors of the inputs move each element, for composites that this op is a part of. An input without one is exact. The
   * op's bound must then grow with the size of its inputs. Not for a composite, whose parts carry.
   */
  carry?(
    inputs: Operands<Name, "float64">,
    errors: Partial<Operands<Name, "float64">>,
    attributes: AttributesOf<Name>,
    shape: readonly number[],
  ): Float64Array;
  /**
   * For ops whose outputs are too many to be evaluated whole in float64 at a network's own sizes. The element's receptive
   * field is cut out, so that the op's own evaluation and bound do the rest: there is no second formula.
   */
  cut?(inputs: Operands<Name, "float32">, attributes: AttributesOf<Name>, index: readonly number[]): Cut;
  /** PyTorch's recorded answers (golden/ops), by the name that the goldens have for the op. */
  readonly recorded?: { readonly [golden: string]: Recorded };
}
