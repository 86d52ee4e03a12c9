import type { Shape, Source } from "@residual/core";

/** Pixels around an image: [top, left, bottom, right]. */
export type Pads = readonly [number, number, number, number];

type Pair = readonly [down: number, right: number];

interface Convolution {
  readonly strides: Pair;
  readonly pads: Pads;
  readonly dilations: Pair;
}

/**
 * TensorFlow's operators that networks are lowered to, under TensorFlow's names, and what each holds. Images are NHWC, kernels HWIO.
 * Inputs are in TensorFlow's order: `x, filter[, bias]`, `x, scale, offset, mean, variance`.
 */
export interface Operators {
  readonly AddV2: object;
  readonly AvgPool: { readonly window: Pair; readonly strides: Pair; readonly padding: "VALID" | "SAME" };
  readonly ConcatV2: { readonly axis: number };
  readonly Conv2D: Convolution;
  readonly DepthwiseConv2dNative: Convolution;
  readonly FusedBatchNormV3: { readonly epsilon: number };
  readonly Identity: object;
  readonly LogSoftmax: object;
  readonly MatMul: object;
  /** `pads` read as −∞. */
  readonly MaxPool: { readonly window: Pair; readonly strides: Pair; readonly pads: Pads };
  readonly Mean: { readonly axes: readonly number[]; readonly keepDims: boolean };
  readonly Mul: object;
  /** Before and after each axis. */
  readonly PadV2: { readonly paddings: readonly (readonly [number, number])[]; readonly value: number };
  readonly Relu: object;
  /** −1 stands for the batch. */
  readonly Reshape: { readonly shape: readonly number[] };
  readonly Sigmoid: object;
  /** A size of −1 reaches to the end. */
  readonly Slice: { readonly begin: readonly number[]; readonly size: readonly number[] };
  readonly Softmax: object;
  readonly Sum: { readonly axes: readonly number[] };
  readonly Transpose: { readonly permutation: readonly number[] };
  readonly _FusedConv2D: Convolution & { readonly relu: boolean };
  readonly _FusedMatMul: { readonly relu: boolean };
}

export type OperatorName = keyof Operators;

/** One operator, applied. Its one answer goes by its name. */
export type Operation<Name extends OperatorName = OperatorName> = {
  readonly [K in Name]: {
    readonly operator: K;
    readonly name: string;
    /** Names of operations, inputs and weights. */
    readonly inputs: readonly string[];
    readonly attributes: Operators[K];
  };
}[Name];

/**
 * How the numbers of a constant are laid out for the operator that reads them: as they are, [N, C, H, W] as [N, H, W, C], a bank
 * [O, I, KH, KW] as [KH, KW, I, O] (of one of `groups` groups of outputs), one in groups as a depthwise bank [KH, KW, C, O / groups] times `factor`,
 * [O, I, KH, KW] or [O, I] as [KH · KW · I, O], or of a vector the stretch of one group.
 */
export type Layout =
  | { readonly kind: "plain" }
  | { readonly kind: "channels-last" }
  | { readonly kind: "kernel"; readonly group: number; readonly groups: number }
  | { readonly kind: "depthwise"; readonly groups: number; readonly factor: number }
  | { readonly kind: "columns" }
  | { readonly kind: "stretch"; readonly group: number; readonly groups: number };

/** A constant as one of a program's operands. */
export interface Weight {
  readonly name: string;
  /** In its layout. */
  readonly shape: readonly number[];
  readonly layout: Layout;
  readonly source: Source;
}

/** A network as TensorFlow's operators: plain data, before any tensor is made. */
export interface Program {
  readonly name: string;
  readonly inputs: readonly { readonly name: string; readonly shape: Shape }[];
  /** `from` names the operation, input or weight that is the answer. */
  readonly outputs: readonly { readonly name: string; readonly shape: Shape; readonly from: string }[];
  readonly weights: readonly Weight[];
  /** In an order in which they can be carried out. */
  readonly operations: readonly Operation[];
}

/** A program whose weights are sent apart, when they are asked for. */
export type BareProgram = Omit<Program, "weights"> & {
  readonly weights: readonly { readonly name: string; readonly shape: readonly number[] }[];
};
