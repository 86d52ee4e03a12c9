import type { Algorithm } from "@residual/core";
import type { Kernel } from "../kernels/kernel.ts";
import type { ImageLayout } from "../layout.ts";
import type { ConvolutionLayer } from "./layer.ts";

/** The packing of weights for a strategy. A kernel packs them from the host's order [O, C / groups, KH, KW]. */
export interface Packing {
  /** A unique name for packings of weights of the same shape. */
  readonly name: string;
  readonly bytes: number;
  /** Outputs that a task of the kernel packs; the last task may have fewer. Weights are streamed in these pieces. */
  readonly block: number;
  /** Reads `weight` and writes `packed`. */
  readonly kernel: Kernel;
}

/** One way to compute a convolution. */
export interface Strategy {
  readonly name: string;
  readonly algorithm?: Algorithm;
  /** The required order and smallest border of x. */
  readonly wants: Pick<ImageLayout, "order" | "border">;
  /** Nanoseconds per image on one thread, from the measurements next to each family. */
  readonly cost: number;
  /** Default: the host's order. */
  readonly packing?: Packing;
  /** The kernel, for the given layouts of x, y and the residual. */
  emit(layer: ConvolutionLayer): Kernel;
}
