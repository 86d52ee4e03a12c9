import { type I32, i32 } from "../../encode/expression.ts";
import type { Body } from "../../encode/function.ts";
import type { ModuleBuilder } from "../../encode/module.ts";
import type { PhaseFunction } from "../../kernels/kernel.ts";
import { planeTask } from "../../kernels/planes.ts";
import { quadsOf } from "../../layout.ts";
import { type LayerOperand, layerPhase } from "../layer.ts";
import { type TapNest, type TileFunction, tileFunction } from "../tile.ts";
import type { Parts } from "./parts.ts";
import { blockOf, groupSizes, groupsOf, PANEL, panelsOf } from "./tiling.ts";

/** M = U·V at one position: the sums over channels of a panel of outputs, for groups of `size` tiles. */
function multiplyGroups(module: ModuleBuilder, { layer: { x }, scratch }: Parts, size: number): TileFunction {
  const quad = 16 * size;
  const quads = Math.floor(x.channels / 4);
  const taps = (lanes: number) => Array.from({ length: lanes }, (_, lane) => 4 * lane);
  const sums: TapNest[] = [
    { start: 0, loops: [{ count: quads, step: quad }], taps: taps(4) },
    { start: quads * quad, loops: [], taps: taps(x.channels % 4) },
  ];
  return tileFunction(module, {
    pixels: Array.from({ length: size }, (_, tile) => ({ x: 16 * tile, y: 16 * tile, residual: 0 })),
    vectors: PANEL / 4,
    columns: PANEL / 4,
    parts: sums.filter((part) => part.taps.length > 0),
    planes: { y: scratch.mQuad, residual: 0 },
    hasBias: false,
    hasResidual: false,
    relu: false,
    next: { x: quadsOf(x) * quad, y: quad, residual: 0 },
  });
}

/** The phase that computes M of a block. A task is a panel of outputs at one position. */
export function productPhase(module: ModuleBuilder, parts: Parts): PhaseFunction<LayerOperand> {
  const { layer, tiling, scratch, packing, largestGroup } = parts;
  const panels = panelsOf(layer.y);
  const perBlock = panels * tiling.positions;
  const functions = groupSizes(tiling, layer, largestGroup).map((size) => ({
    size,
    multiply: multiplyGroups(module, parts, size),
  }));
  return layerPhase(module, "products", layer, (body, values) => {
    const block = blockOf(body, tiling, values, { perBlock });
    const groups = groupsOf(body, body.let(i32.times(block.rows, tiling.columns)), largestGroup);
    const larger = body.let(i32.plus(groups.size, 1));
    const inLarger = body.let(i32.mul(groups.larger, larger));
    body.range(values.first, values.end, (task) => {
      const { image: position, quad: panel } = planeTask(body, i32.sub(task, block.firstTask), panels);
      const v = body.let(i32.add(values.scratch, i32.times(position, scratch.vPosition)));
      const u = i32.add(i32.times(position, packing.position), i32.times(panel, packing.panel));
      const weight = body.let(i32.add(values.weight, u));
      const m = i32.add(i32.times(position, scratch.mPosition), i32.times(panel, 2 * scratch.mQuad));
      const to = body.let(i32.plus(i32.add(values.scratch, m), scratch.m));
      const first = { size: larger, x: v, weight, y: to, count: groups.larger };
      const second = {
        size: groups.size,
        x: i32.add(v, i32.times(inLarger, 16 * quadsOf(layer.x))),
        weight,
        y: i32.add(to, i32.times(inLarger, 16)),
        count: groups.smaller,
      };
      for (const call of [first, second]) body.if(call.count, () => callSized(body, functions, call));
    });
  });
}

/** A run of groups of tiles, and the addresses of their numbers. */
interface Call {
  readonly size: I32;
  readonly x: I32;
  readonly weight: I32;
  readonly y: I32;
  readonly count: I32;
}

/** Calls the function for groups whose size is known only at run time. */
function callSized(
  body: Body,
  functions: readonly { readonly size: number; readonly multiply: TileFunction }[],
  { size, ...pointers }: Call,
): void {
  const [first, ...others] = functions;
  const call = () => body.call(first!.multiply, { ...pointers, bias: i32.const(0), residual: i32.const(0) });
  if (others.length === 0) call();
  else body.if(i32.eq(size, i32.const(first!.size)), call, () => callSized(body, others, { size, ...pointers }));
}
