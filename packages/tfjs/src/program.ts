import type { Shape, Source } from "@residual/core";
import * as operators from "./operators.ts";

export type OperatorName = keyof typeof operators;

/** What an operation of this operator holds beside its inputs. */
export type OperatorAttributes<Name extends OperatorName> =
  (typeof operators)[Name] extends operators.Operator<infer Attributes> ? Attributes : never;

/** One operator, applied. Its one answer goes by its name. */
export type Operation<Name extends OperatorName = OperatorName> = {
  readonly [K in Name]: {
    readonly operator: K;
    readonly name: string;
    /** Names of operations, inputs, weights and variables. */
    readonly inputs: readonly string[];
    readonly attributes: OperatorAttributes<K>;
  };
}[Name];

const table: { readonly [Name in OperatorName]: operators.Operator } = operators;

/** The definition of an operation's operator, for code that treats all alike. */
export function operatorOf({ operator }: Operation): operators.Operator {
  return table[operator];
}

/**
 * How the numbers of a tensor are laid out for the operator that reads them:
 *
 * - plain: as the graph has them;
 * - channels-last: [N, C, H, W] as [N, H, W, C];
 * - kernel: a bank [O, I, KH, KW], or the part of it that one of `groups` groups of outputs reads, as [KH, KW, I, O / groups];
 * - depthwise: a bank in groups as [KH, KW, groups · I, O / groups], times `factor`, a power of two;
 * - columns: [O, I, KH, KW] or [O, I] as [KH · KW · I, O];
 * - vector: the part of a vector [O] that belongs to one of `groups` groups, [O / groups].
 */
export type Layout =
  | { readonly kind: "plain" }
  | { readonly kind: "channels-last" }
  | { readonly kind: "kernel"; readonly group: number; readonly groups: number }
  | { readonly kind: "depthwise"; readonly groups: number; readonly factor: number }
  | { readonly kind: "columns" }
  | { readonly kind: "vector"; readonly group: number; readonly groups: number };

/** Numbers that a program is loaded with: a constant in one layout. */
export interface Weight {
  readonly name: string;
  /** In its layout. */
  readonly shape: readonly number[];
  readonly layout: Layout;
  readonly source: Source;
}

/** A variable with an update. `source` has its numbers before the first run; its layout is plain. */
export interface ProgramVariable extends Weight {
  /** Names the operation, input, weight or variable that replaces it after a run. */
  readonly update: string;
}

/** A network as TensorFlow's operators: plain data, before any tensor is made. */
export interface Program {
  readonly name: string;
  readonly inputs: readonly { readonly name: string; readonly shape: Shape }[];
  /** `from` names the operation, input, weight or variable that is the answer. */
  readonly outputs: readonly { readonly name: string; readonly shape: Shape; readonly from: string }[];
  readonly weights: readonly Weight[];
  readonly variables: readonly ProgramVariable[];
  /** In an order in which they can be carried out. */
  readonly operations: readonly Operation[];
}

/** A program whose numbers are sent apart, when they are asked for. */
export interface BareProgram extends Omit<Program, "weights" | "variables"> {
  readonly weights: readonly Omit<Weight, "layout" | "source">[];
  readonly variables: readonly Omit<ProgramVariable, "layout" | "source">[];
}
