import type { Shape, Source } from "@residual/core";

/**
 * One of TensorFlow's operators, applied. Its one answer goes by its name. `operators.ts` says what an operator's
 * attributes are; here they are plain data, so that these types do without those of tfjs.
 */
export interface Operation {
  readonly operator: string;
  readonly name: string;
  /** Names of operations, inputs, weights and variables. */
  readonly inputs: readonly string[];
  readonly attributes: object;
}

/**
 * How the numbers of a tensor are laid out for the operator that reads them:
 *
 * - plain: as the graph has them;
 * - channels-last: [N, C, H, W] as [N, H, W, C];
 * - kernel: a bank [O, I, KH, KW], or the part of it that one of `groups` groups of outputs reads, as [KH, KW, I, O /
 *   groups];
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
