import type { WinogradPoints } from "@residual/core";
import { f64x2, type I32, i32, type Local, v128 } from "../../encode/expression.ts";
import type { Body, WasmFunction } from "../../encode/function.ts";
import type { ModuleBuilder } from "../../encode/module.ts";
import { phase } from "../../kernels/kernel.ts";
import type { ConvolutionLayer } from "../layer.ts";
import type { Packing } from "../strategy.ts";
import { PANEL, panelsOf, spread } from "./tiling.ts";
import type { Matrix } from "./transform.ts";
import { float64s, timesRows } from "./transform.ts";

/** The layout of U = G·g·Gᵀ: U[position][outputs / 8][channels][8]. */
export interface WinogradPacking extends Packing {
  /** Bytes between positions, and between panels. */
  readonly position: number;
  readonly panel: number;
}

/** Channels packed for two outputs before the next two, so that U's cache lines stay in the first cache. */
const CHANNELS = 16;

/** Bytes of a 3 × 3 kernel. */
const KERNEL = 36;

/** Of a layer's weights. A task of the kernel is a panel of outputs. */
export function packingOf(points: WinogradPoints, { x, y }: ConvolutionLayer): WinogradPacking {
  const { name, kernel } = points;
  const panel = 4 * PANEL * x.channels;
  const position = spread(panelsOf(y) * panel);
  return {
    name,
    bytes: kernel.length ** 2 * position,
    block: PANEL,
    position,
    panel,
    kernel: {
      name: `pack ${name} ${y.channels}×${x.channels}`,
      operands: ["weight", "packed"],
      work: x.channels * y.channels * 9,
      phases: () => [{ function: "run", tasks: panelsOf(y) }],
      define(module) {
        const transform = transformPair(module, kernel, position);
        phase(module, "run", ["weight", "packed"], (body, { weight, packed, first, end }) =>
          body.range(first, end, (task) => {
            const rows = Array.from({ length: PANEL }, (_, output) => {
              const row = body.let(i32.plus(i32.times(task, PANEL), output));
              const present = i32.minS(row, i32.const(y.channels - 1)); // missing outputs are copies of the last one
              return body.let(i32.add(weight, i32.times(present, KERNEL * x.channels)));
            });
            packPanel(body, transform, rows, { to: i32.add(packed, i32.times(task, panel)), channels: x.channels });
          }),
        );
      },
    },
  };
}

type PairFunction = WasmFunction<"a" | "b" | "to" | "channels">;

/** Two outputs at a time, for a part of the channels. */
function packPanel(
  body: Body,
  transform: PairFunction,
  rows: readonly Local<"i32">[],
  { to, channels: all }: { readonly to: I32; readonly channels: number },
): void {
  const packed = body.let(to);
  const left = body.let(i32.const(all));
  body.times(Math.ceil(all / CHANNELS), () => {
    const channels = body.let(i32.minS(left, i32.const(CHANNELS)));
    for (let output = 0; output < PANEL; output += 2) {
      const [a, b] = [rows[output]!, rows[output + 1]!];
      body.call(transform, { a, b, to: i32.plus(packed, 4 * output), channels });
    }
    for (const row of rows) body.advance(row, CHANNELS * KERNEL);
    body.advance(packed, CHANNELS * 4 * PANEL);
    body.advance(left, -CHANNELS);
  });
}

/** G·g·Gᵀ of the kernels of two outputs for several channels, computed in float64 and rounded once. */
function transformPair(module: ModuleBuilder, kernel: Matrix, position: number): PairFunction {
  const side = kernel.length;
  return module.function(["a", "b", "to", "channels"], (body, { a, b, to, channels }) => {
    const arithmetic = float64s(body);
    body.times(channels, () => {
      const columns = [0, 1, 2].map((j) => {
        const taps = [0, 1, 2].map((i) => {
          const tap = 4 * (3 * i + j);
          return body.let(f64x2.promoteLow(v128.loadLane(b, v128.loadZero(a, tap), 1, tap)));
        });
        return timesRows(body, arithmetic, kernel, taps);
      });
      for (let i = 0; i < side; i++) {
        const row = columns.map((column) => column[i]!);
        for (const [j, value] of timesRows(body, arithmetic, kernel, row).entries())
          body.storePair(to, f64x2.demote(value), (i * side + j) * position);
      }
      body.advance(a, KERNEL);
      body.advance(b, KERNEL);
      body.advance(to, 4 * PANEL);
    });
  });
}
