import type { WinogradPoints } from "@residual/core";
import type { Instructions } from "../encode/function.ts";
import type { Kernel } from "../kernels/kernel.ts";
import { quadsOf } from "../layout.ts";
import { type ConvolutionLayer, formatLayer, macsOf, operandsOf } from "./layer.ts";
import type { Strategy } from "./strategy.ts";
import { costOf } from "./winograd/cost.ts";
import { inputPhase } from "./winograd/input.ts";
import { outputPhase } from "./winograd/output.ts";
import { packingOf } from "./winograd/packing.ts";
import { productPhase } from "./winograd/products.ts";
import { blocksOf, borderFor, panelsOf, scratchOf, type Tiling, tilingOf } from "./winograd/tiling.ts";

/** Whether Winograd's algorithm applies: one group of 3 × 3 kernels with stride 1. */
export function isWinograd({ kernel, attributes: { stride, dilation, groups } }: ConvolutionLayer): boolean {
  return kernel.every((size) => size === 3) && [...stride, ...dilation, groups].every((step) => step === 1);
}

/**
 * A convolution by Winograd's algorithm, in three phases for each block of tiles: transforms of the input, products,
 * transforms of the output. `mostRows` limits the rows of tiles of a block.
 */
export function winograd(
  points: WinogradPoints,
  layer: ConvolutionLayer,
  instructions: Instructions,
  mostRows?: number,
): Strategy {
  const tiling = tilingOf(points, layer, mostRows);
  const packing = packingOf(points, layer);
  return {
    name: points.name,
    algorithm: points.name,
    wants: { order: "quads", border: borderFor(tiling, layer) },
    cost: costOf({ points, layer, tiling, packing, instructions, largestGroup: LARGEST_GROUP[instructions] }),
    packing,
    emit: (placed) => winogradKernel(points, placed, tiling),
  };
}

/** Tiles multiplied together: as many as fit into 15 registers, for a panel of two vectors. */
const LARGEST_GROUP = { "relaxed madd": 6, "mul and add": 5 } as const satisfies { [I in Instructions]: number };

function winogradKernel(points: WinogradPoints, layer: ConvolutionLayer, tiling: Tiling): Kernel {
  const { x, y } = layer;
  const scratch = scratchOf(tiling, layer);
  const tasks = (rows: number) => ({
    input: rows * quadsOf(x),
    products: tiling.positions * panelsOf(y),
    output: rows * quadsOf(y),
  });
  return {
    name: `${points.name} by ${tiling.blockRows} rows of ${layer.images ?? "N"} images ${formatLayer(layer)}`,
    operands: operandsOf(layer),
    work: macsOf(layer),
    scratch: () => scratch.bytes,
    phases(images) {
      const blocks = blocksOf(tiling, images);
      const before = Object.entries(tasks(blocks.each));
      return blocks.rows.flatMap((rows, block) => {
        const own = Object.values(tasks(rows));
        return before.map(([name, count], at) => ({ function: name, first: block * count, tasks: own[at]! }));
      });
    },
    define(module) {
      const largestGroup = LARGEST_GROUP[module.target.instructions];
      const parts = { points, layer, tiling, scratch, packing: packingOf(points, layer), largestGroup };
      inputPhase(module, parts);
      productPhase(module, parts);
      outputPhase(module, parts);
    },
  };
}
