import type { WinogradPoints } from "@residual/core";
import type { KernelIn } from "../kernels/kernel.ts";
import type { Builder, Operand } from "../lower/builder.ts";
import type { Convolution } from "../lower/convolution.ts";
import type { Cost } from "./cost.ts";
import type { Layer } from "./layer.ts";

/** One way to compute a convolution. */
export interface Strategy {
  /** Unlike the name of any other strategy. Tuning remembers a strategy by its name. */
  readonly name: string;
  /** All that it dispatches, beside changes of order. */
  readonly kernels: readonly KernelIn[];
  /** The kernel that packs its weights on the device. */
  readonly packing: KernelIn;
  readonly fits: (layer: Layer) => boolean;
  /** Nanoseconds. */
  readonly cost: (layer: Layer, cost: Cost) => number;
  readonly emit: (builder: Builder, convolution: Convolution) => Operand;
  /** Winograd's algorithm, if the strategy uses one. Its rounding errors have a bound of their own. */
  readonly winograd?: WinogradPoints;
  /** The layer that the self-test runs; none for the plain kernel, which takes over where another kernel fails. */
  readonly trial?: Trial;
}

/** A convolution of two square images with bias, residual and ReLU, padded by half of its window. */
export interface Trial {
  /** Channels of a group of x. */
  readonly channels: number;
  readonly outputs: number;
  readonly stride: 1 | 2;
  /** Rows and columns of an image. */
  readonly size: number;
  readonly groups: 1 | 2;
  /** Rows and columns of the window. */
  readonly window: 1 | 3;
}

/** A trial that reaches beyond the edges of a kernel's blocks. */
export function trialOf(changes: Partial<Trial>): Trial {
  return { channels: 4, outputs: 8, stride: 2, size: 9, groups: 1, window: 3, ...changes };
}
