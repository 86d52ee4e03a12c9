import type { Shape, Source } from "@residual/core";

/**
 * One application of a TensorFlow operator. Its single result has the operation's name. `operators.ts` defines the
 * attributes; here they are plain data, so that these types do not depend on tfjs's.
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
 * - plain: the graph's order;
 * - channels-last: [N, C, H, W] as [N, H, W, C];
 * - kernel: a bank [O, I, KH, KW], or the part of it that one of `groups` groups of outputs reads, as [KH, KW, I, O /
 *   groups];
 * - depthwise: kernels in groups as [KH, KW, groups · I, O / groups], times `factor`, a power of two;
 * - turned-kernel, turned-depthwise: as kernel and depthwise, for the gradient with respect to the image: kernels
 *   [KH, KW, O / groups, I] and [KH, KW, O, I], turned by 180°;
 * - columns: [O, I, KH, KW] or [O, I] as [KH · KW · I, O];
 * - vector: the part of a vector [O] for one of `groups` groups, [O / groups].
 */
export type OperatorLayout =
  | { readonly kind: "plain" }
  | { readonly kind: "channels-last" }
  | { readonly kind: "kernel"; readonly group: number; readonly groups: number }
  | { readonly kind: "depthwise"; readonly groups: number; readonly factor: number }
  | { readonly kind: "turned-kernel"; readonly group: number; readonly groups: number }
  | { readonly kind: "turned-depthwise"; readonly groups: number; readonly factor: number }
  | { readonly kind: "columns" }
  | { readonly kind: "vector"; readonly group: number; readonly groups: number };

/** A constant in one layout, uploaded when the program is loaded. */
export interface Weight {
  readonly name: string;
  /** In its layout. */
  readonly shape: readonly number[];
  readonly layout: OperatorLayout;
  readonly source: Source;
}

/** A variable with an update. `source` has the value before the first run, in the plain layout. */
export interface ProgramVariable extends Weight {
  /** The name of the operation, input, weight or variable that replaces it after a run. */
  readonly update: string;
}

/** A network in TensorFlow's operators: plain data, without tensors. */
export interface Program {
  readonly name: string;
  readonly inputs: readonly { readonly name: string; readonly shape: Shape }[];
  /** `from` is the name of the operation, input, weight or variable that is the output. */
  readonly outputs: readonly { readonly name: string; readonly shape: Shape; readonly from: string }[];
  readonly weights: readonly Weight[];
  readonly variables: readonly ProgramVariable[];
  /** In an executable order. */
  readonly operations: readonly Operation[];
}

/** A program without its weights, which are sent separately on request. */
export interface BareProgram extends Omit<Program, "weights" | "variables"> {
  readonly weights: readonly Omit<Weight, "layout" | "source">[];
  readonly variables: readonly Omit<ProgramVariable, "layout" | "source">[];
}
