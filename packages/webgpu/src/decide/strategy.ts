import type { WinogradPoints } from "@residual/core";
import type { KernelIn } from "../kernels/kernel.ts";
import type { Builder, Operand } from "../lower/builder.ts";
import type { Convolution } from "../lower/convolution.ts";
import type { Cost } from "./cost.ts";
import type { Layer } from "./layer.ts";

/** One way to compute a convolution. */
export interface Strategy {
  /** Unique. Tuning remembers a strategy by its name. */
  readonly name: string;
  /** The kernels that the strategy dispatches, without kernels that change the order of an operand. */
  readonly kernels: readonly KernelIn[];
  /** The kernel that packs the weights on the device. */
  readonly packing: KernelIn;
  readonly fits: (layer: Layer) => boolean;
  /** Nanoseconds of a run. */
  readonly cost: (layer: Layer, cost: Cost) => number;
  readonly emit: (builder: Builder, convolution: Convolution) => Operand;
  /** Winograd's algorithm, if the strategy uses one. Its rounding errors have a separate bound. */
  readonly winograd?: WinogradPoints;
  /** The layer that the self-test runs. Undefined for the plain kernel, which replaces kernels that fail. */
  readonly trial?: Trial;
}

/** A convolution of two square images with bias, residual and ReLU. The padding is half the window. */
export interface Trial {
  /** Input channels of a group. */
  readonly channels: number;
  readonly outputs: number;
  readonly stride: 1 | 2;
  /** Rows and columns of an image. */
  readonly size: number;
  readonly groups: 1 | 2;
  /** Rows and columns of the window. */
  readonly window: 1 | 3;
}

/** A trial with the given changes. Its sizes leave partial blocks at the edges of the output. */
export function trialOf(changes: Partial<Trial>): Trial {
  return { channels: 4, outputs: 8, stride: 2, size: 9, groups: 1, window: 3, ...changes };
}
