import type { FloatFormat } from "./formats.ts";
import type { Operand } from "./operand.ts";
import type { Refusal } from "./refusal.ts";

type Two = readonly [number, number];
type Four = readonly [top: number, left: number, bottom: number, right: number];

/** Images are [N, C, H, W] and weights [O, C/groups, KH, KW]. The readers of vectors convert to these layouts. */
export interface Conv2dRequest {
  readonly kind: "conv2d";
  readonly x: Operand;
  readonly weight: Operand;
  readonly bias?: Operand | undefined;
  readonly stride: Two;
  readonly padding: Four;
  readonly dilation: Two;
  readonly groups: number;
}

export interface PoolRequest {
  readonly kind: "pool";
  readonly of: "max" | "average";
  readonly x: Operand;
  /** Default: the whole image. */
  readonly window?: Two | undefined;
  readonly stride: Two;
  readonly padding: Four;
  readonly dilation: Two;
  /** Height and width of the recorded answer. Rounding modes differ in nothing else. */
  readonly size: Two;
}

export interface BatchNormRequest {
  readonly kind: "batchNorm";
  readonly x: Operand;
  readonly axis: number;
  readonly mean: Operand;
  readonly variance: Operand;
  readonly scale?: Operand | undefined;
  readonly shift?: Operand | undefined;
  readonly epsilon: number;
  readonly training: boolean;
}

export interface BinaryRequest {
  readonly kind: "binary";
  readonly of: "add" | "sub" | "mul" | "div" | "max" | "min" | "pow";
  readonly a: Operand;
  readonly b: Operand;
}

export interface UnaryRequest {
  readonly kind: "unary";
  readonly of: "relu" | "sigmoid" | "identity" | "sqrt";
  readonly x: Operand;
}

export interface LeakyReluRequest {
  readonly kind: "leakyRelu";
  readonly x: Operand;
  readonly alpha: number;
}

export interface ClampRequest {
  readonly kind: "clamp";
  readonly x: Operand;
  readonly least?: number | undefined;
  readonly most?: number | undefined;
}

/** alpha · A · B + beta · C, with neither matrix transposed. */
export interface GemmRequest {
  readonly kind: "gemm";
  readonly a: Operand;
  readonly b: Operand;
  readonly c?: Operand | undefined;
  readonly alpha: number;
  readonly beta: number;
}

export interface MatmulRequest {
  readonly kind: "matmul";
  readonly a: Operand;
  readonly b: Operand;
}

export interface ConcatRequest {
  readonly kind: "concat";
  readonly parts: readonly Operand[];
  readonly axis: number;
}

export interface PadRequest {
  readonly kind: "pad";
  readonly x: Operand;
  readonly before: readonly number[];
  readonly after: readonly number[];
  readonly mode: string;
  readonly value: number;
}

export interface ReduceRequest {
  readonly kind: "reduce";
  /** The name in WebNN, without `reduce`: Mean, SumSquare. */
  readonly of: string;
  readonly x: Operand;
  readonly axes: readonly number[];
}

export interface ReshapeRequest {
  readonly kind: "reshape";
  readonly x: Operand;
  readonly shape: readonly number[];
}

export interface SliceRequest {
  readonly kind: "slice";
  readonly x: Operand;
  readonly starts: readonly number[];
  readonly ends: readonly number[];
  readonly steps: readonly number[];
}

export interface SoftmaxRequest {
  readonly kind: "softmax";
  readonly x: Operand;
  readonly axis: number;
}

export interface TransposeRequest {
  readonly kind: "transpose";
  readonly x: Operand;
}

/** The computation of a vector, independent of its origin. */
export type Request =
  | BatchNormRequest
  | BinaryRequest
  | ClampRequest
  | ConcatRequest
  | Conv2dRequest
  | GemmRequest
  | LeakyReluRequest
  | MatmulRequest
  | PadRequest
  | PoolRequest
  | ReduceRequest
  | ReshapeRequest
  | SliceRequest
  | SoftmaxRequest
  | TransposeRequest
  | UnaryRequest;

/**
 * How a recorded answer was made: computed in one format, with sums in an unknown order, then rounded to another
 * format.
 */
export interface Making {
  readonly computed: "float32" | "float64";
  readonly recorded: FloatFormat;
}

/** One application of an operator with its recorded answer. */
export interface Recorded {
  readonly request: Request;
  readonly expected: Operand;
  readonly making: Making;
}

/** A call, or the reason why the call cannot be read. */
export type Call = Recorded | Refusal;

/** The collections, by folder next to the project. */
export type Suite = "onnx/node" | "onnx/pytorch-converted" | "onnx/pytorch-operator" | "webnn/baseline" | "webnn/wpt";

/** A test case of another project. A few apply their operator several times. */
export interface Vector {
  readonly suite: Suite;
  readonly name: string;
  /** The operator's name in its collection. */
  readonly operator: string;
  readonly calls: readonly Call[];
}
