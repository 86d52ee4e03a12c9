import type { KernelIn } from "../kernels/kernel.ts";
import type { Builder, Operand } from "../lower/builder.ts";
import type { Cost } from "./cost.ts";
import type { Layer } from "./layer.ts";

/** A gradient of a convolution by its weight, to lower. */
export interface WeightGradient {
  readonly node: string;
  /** The convolution, without addends. */
  readonly layer: Layer;
  readonly x: Operand;
  readonly dy: Operand;
}

/** One way to compute the gradient of a convolution by its weight. */
export interface WeightGradientStrategy {
  /** Unique. */
  readonly name: string;
  readonly kernels: readonly KernelIn[];
  /** Outputs of a workgroup. The self-test runs a layer with some more. */
  readonly outputs: number;
  readonly fits: (layer: Layer) => boolean;
  /** Nanoseconds of a run. */
  readonly cost: (layer: Layer, cost: Cost) => number;
  readonly emit: (builder: Builder, gradient: WeightGradient) => Operand;
}
