import { type I32, i32, v128 } from "../../encode/expression.ts";
import type { Body, WasmFunction } from "../../encode/function.ts";
import type { ModuleBuilder } from "../../encode/module.ts";
import { rectified } from "../../kernels/elementwise.ts";
import type { PhaseFunction } from "../../kernels/kernel.ts";
import { planeOf, planeTask } from "../../kernels/planes.ts";
import { type ImageLayout, quadsOf, rowBytes } from "../../layout.ts";
import { type LayerOperand, layerPhase } from "../layer.ts";
import type { Parts } from "./parts.ts";
import { blockOf } from "./tiling.ts";
import { float32s, timesColumns } from "./transform.ts";

const parameters = ["m", "bias", "residual", "y", "tiles"] as const;
type Transform = WasmFunction<(typeof parameters)[number]>;

/**
 * Aᵀ·M·A of adjacent tiles, four channels of each, with bias, residual and ReLU. `height` × `width` outputs of each
 * tile are inside the image.
 */
function transformTiles(
  module: ModuleBuilder,
  { points: { output }, layer, scratch }: Parts,
  [height, width]: readonly [number, number],
): Transform {
  const { y, residual, hasBias, attributes } = layer;
  const [outputs, side] = [output.length, output[0]!.length];
  return module.function(parameters, (body, pointers) => {
    const arithmetic = float32s(body, output);
    const bias = hasBias && body.let(v128.load(pointers.bias));
    const products = output[0]!.map(() => body.local("v128"));
    body.times(pointers.tiles, () => {
      const columns = products.map((_, j) => {
        for (const [i, product] of products.entries())
          body.set(product, v128.load(pointers.m, (i * side + j) * scratch.mPosition));
        return timesColumns(body, arithmetic, output.slice(0, height), products);
      });
      for (let i = 0; i < height; i++) {
        const row = columns.map((column) => column[i]!);
        const sums = timesColumns(body, arithmetic, output.slice(0, width), row);
        for (const [j, sum] of sums.entries()) {
          const biased = bias ? v128.add(sum, bias) : sum;
          const at = residual && i * rowBytes(residual) + 16 * j;
          const added = at === undefined ? biased : v128.add(biased, v128.load(pointers.residual, at));
          body.store(pointers.y, attributes.relu ? rectified(added) : added, i * rowBytes(y) + 16 * j);
        }
      }
      body.advance(pointers.m, 16);
      body.advance(pointers.y, 16 * outputs);
      if (residual) body.advance(pointers.residual, 16 * outputs);
    });
  });
}

/** Transforms for a row of tiles: whole tiles, and the tile that the image's edge cuts off. */
interface RowTransforms {
  readonly whole: Transform | undefined;
  readonly cut: Transform | undefined;
}

/** The phase that computes y from M of a block. A task is a row of tiles, four channels of each. */
export function outputPhase(module: ModuleBuilder, parts: Parts): PhaseFunction<LayerOperand> {
  const { layer, tiling, scratch } = parts;
  const { y, residual } = layer;
  const { outputs, rows, columns } = tiling;
  const [quads, cutHeight, cutWidth] = [quadsOf(y), y.height % outputs, y.width % outputs];
  const whole = cutWidth ? columns - 1 : columns;
  const rowOf = (height: number): RowTransforms => ({
    whole: whole > 0 ? transformTiles(module, parts, [height, outputs]) : undefined,
    cut: cutWidth ? transformTiles(module, parts, [height, cutWidth]) : undefined,
  });
  const lastRow = rowOf(cutHeight || outputs);
  const otherRows = cutHeight && rows > 1 ? rowOf(outputs) : lastRow;
  return layerPhase(module, "output", layer, (body, values) => {
    const block = blockOf(body, tiling, values, { perRow: quads });
    body.range(values.first, values.end, (task) => {
      const { image: quad, quad: row } = planeTask(body, i32.sub(task, block.firstTask), block.rows);
      const { image, quad: down } = planeTask(body, i32.add(block.firstRow, row), rows);
      const corner = (pointer: I32, layout: ImageLayout) =>
        i32.add(planeOf(pointer, layout, { image, quad }), i32.times(down, outputs * rowBytes(layout)));
      const tile = i32.add(i32.times(quad, scratch.mQuad), i32.times(row, 16 * columns));
      const pointers = {
        m: body.let(i32.plus(i32.add(values.scratch, tile), scratch.m)),
        bias: body.let(values.bias ? i32.add(values.bias, i32.times(quad, 16)) : i32.const(0)),
        residual: body.let(residual && values.residual ? corner(values.residual, residual) : i32.const(0)),
        y: body.let(corner(values.y, y)),
      };
      if (otherRows === lastRow) callRow(body, lastRow, pointers, { whole, outputs });
      else
        body.if(
          i32.eq(down, i32.const(rows - 1)),
          () => callRow(body, lastRow, pointers, { whole, outputs }),
          () => callRow(body, otherRows, pointers, { whole, outputs }),
        );
    });
  });
}

function callRow(
  body: Body,
  transforms: RowTransforms,
  { m, bias, residual, y }: { readonly [N in "m" | "bias" | "residual" | "y"]: I32 },
  { whole, outputs }: { readonly whole: number; readonly outputs: number },
): void {
  const step = 16 * whole;
  if (transforms.whole) body.call(transforms.whole, { m, bias, residual, y, tiles: i32.const(whole) });
  if (transforms.cut)
    body.call(transforms.cut, {
      m: i32.plus(m, step),
      bias,
      residual: i32.plus(residual, outputs * step),
      y: i32.plus(y, outputs * step),
      tiles: i32.const(1),
    });
}
