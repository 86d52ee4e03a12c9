import type { WinogradPoints } from "@residual/core";
import { i32 } from "../encode/expression.ts";
import type { Instructions } from "../encode/function.ts";
import type { ModuleBuilder } from "../encode/module.ts";
import type { Kernel, PhaseFunction } from "../kernels/kernel.ts";
import { quadsOf } from "../layout.ts";
import { type ConvolutionLayer, formatLayer, type LayerOperand, layerPhase, macsOf, operandsOf } from "./layer.ts";
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

/** The three phases of a block, in order. */
const PHASES = ["input", "products", "output"] as const;

/** Blocks from which on each is one task: enough for several threads, which then need not meet within a block. */
const MANY_BLOCKS = 8;

/** Multiply-adds of a block that is one task, at the most: about 5 ms, after which the caller's thread yields. */
const MOST_WORK = 100e6;

function winogradKernel(points: WinogradPoints, layer: ConvolutionLayer, tiling: Tiling): Kernel {
  const { images } = layer;
  const scratch = scratchOf(tiling, layer);
  const name = `${points.name} by ${tiling.blockRows} rows of ${images ?? "N"} images ${formatLayer(layer)}`;
  const kernel = { name, operands: operandsOf(layer), work: macsOf(layer), scratch: () => scratch.bytes };
  const definePhases = (module: ModuleBuilder) => {
    const largestGroup = LARGEST_GROUP[module.target.instructions];
    const parts = { points, layer, tiling, scratch, packing: packingOf(points, layer), largestGroup };
    return {
      input: inputPhase(module, parts),
      products: productPhase(module, parts),
      output: outputPhase(module, parts),
    };
  };
  const blocks = images === undefined ? [] : blocksOf(tiling, images).rows;
  const isByBlocks = blocks.length >= MANY_BLOCKS && (macsOf(layer) * images!) / blocks.length <= MOST_WORK;
  if (isByBlocks) {
    return {
      ...kernel,
      isScratchPrivate: true,
      phases: () => [{ function: "blocks", tasks: blocks.length }],
      define: (module) =>
        blockPhase(module, layer, definePhases(module), tasksOf(tiling, layer, blocks), blocks.length),
    };
  }
  return {
    ...kernel,
    phases(count) {
      const { rows } = blocksOf(tiling, count);
      const tasks = tasksOf(tiling, layer, rows);
      return rows.flatMap((_, block) =>
        PHASES.map((text) => {
          const { others, last } = tasks[text];
          return { function: text, first: block * others, tasks: block === rows.length - 1 ? last : others };
        }),
      );
    },
    define: definePhases,
  };
}

type PhaseName = (typeof PHASES)[number];

/** The tasks of each phase of a block. The last block may have fewer rows of tiles. */
type BlockTasks = { readonly [Name in PhaseName]: { readonly others: number; readonly last: number } };

function tasksOf({ positions }: Tiling, { x, y }: ConvolutionLayer, rows: readonly number[]): BlockTasks {
  const each = (perRow: number) => ({ others: rows[0]! * perRow, last: rows.at(-1)! * perRow });
  const products = positions * panelsOf(y);
  return { input: each(quadsOf(x)), products: { others: products, last: products }, output: each(quadsOf(y)) };
}

/** A task is a block: its three phases, one after the other. */
function blockPhase(
  module: ModuleBuilder,
  layer: ConvolutionLayer,
  functions: { readonly [Name in PhaseName]: PhaseFunction<LayerOperand> },
  tasks: BlockTasks,
  blocks: number,
): void {
  layerPhase(module, "blocks", layer, (body, { bias = i32.const(0), residual = i32.const(0), ...values }) => {
    body.range(values.first, values.end, (block) => {
      const isLast = body.let(i32.eq(block, i32.const(blocks - 1)));
      for (const name of PHASES) {
        const { others, last } = tasks[name];
        const first = body.let(i32.times(block, others));
        const count = i32.select(isLast, i32.const(last), i32.const(others));
        body.call(functions[name], { ...values, bias, residual, first, end: i32.add(first, count) });
      }
    });
  });
}
