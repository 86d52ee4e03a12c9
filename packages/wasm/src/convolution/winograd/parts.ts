import type { WinogradPoints } from "@residual/core";
import type { ConvolutionLayer } from "../layer.ts";
import type { WinogradPacking } from "./packing.ts";
import type { Scratch, Tiling } from "./tiling.ts";

/** What the phases of a kernel are made for. */
export interface Parts {
  readonly points: WinogradPoints;
  readonly layer: ConvolutionLayer;
  readonly tiling: Tiling;
  readonly scratch: Scratch;
  readonly packing: WinogradPacking;
  /** Tiles that are multiplied together at the most: as many as registers hold. */
  readonly largestGroup: number;
}
