import type { Algorithm } from "@residual/core";
import type { Kernel } from "../kernels/kernel.ts";
import type { Layout } from "../layout.ts";
import type { ConvolutionLayer } from "./layer.ts";

/** How weights lie for a strategy. A kernel packs them from the host's order [O, C / groups, KH, KW]. */
export interface Packing {
  /** Unlike that of any other packing of weights of the same shape. */
  readonly name: string;
  readonly bytes: number;
  /** Outputs that a task of the kernel packs, which streams them; the last task may have fewer. */
  readonly block: number;
  /** Reads `weight` and writes `packed`. */
  readonly kernel: Kernel;
}

/** One way to compute a convolution. */
export interface Strategy {
  readonly name: string;
  readonly algorithm?: Algorithm;
  /** The order and the border that it wants x to have. A border may be larger. */
  readonly wants: Pick<Layout, "order" | "border">;
  /** Nanoseconds of an image on one thread, by the measurements beside each family. */
  readonly cost: number;
  /** In the host's order where not given. */
  readonly packing?: Packing;
  /** The kernel, once it is known how x, y and the residual lie. */
  emit(layer: ConvolutionLayer): Kernel;
}
