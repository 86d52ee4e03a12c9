import { fill, winogradF2, winogradF4 } from "@residual/core";
import { expect, it } from "vitest";
import { engineOf } from "../../testing/engine.ts";
import type { ConvolutionLayer } from "../layer.ts";
import { packingOf } from "./packing.ts";
import { PANEL } from "./tiling.ts";
import type { Matrix } from "./transform.ts";

const product = (a: Matrix, b: Matrix) =>
  a.map((row) => b[0]!.map((_, j) => row.reduce((sum, v, k) => sum + v * b[k]![j]!, 0)));
const transposed = (a: Matrix) => a[0]!.map((_, j) => a.map((row) => row[j]!));

it.each([
  [winogradF2, 1, 1],
  [winogradF2, 17, 20],
  [winogradF4, 3, 8],
  [winogradF4, 33, 13],
])("U is G·g·Gᵀ, rounded once: $name, %d -> %d", async (points, channels, outputs) => {
  const quads = (count: number) =>
    ({ order: "quads", channels: count, height: 4, width: 4, border: [0, 0, 0, 0] }) as const;
  const attributes = { stride: [1, 1], padding: [1, 1, 1, 1], dilation: [1, 1], groups: 1, relu: false } as const;
  const layer: ConvolutionLayer = { x: quads(channels), y: quads(outputs), hasBias: false, kernel: [3, 3], attributes };
  const packing = packingOf(points, layer);
  const weight = fill("packing", "weight", [outputs, channels, 3, 3], -1, 1).data;
  const [from, to] = [1024, 65536];
  const target = { instructions: "mul and add", isShared: false } as const;
  const engine = await engineOf(target, to + packing.bytes, [packing.kernel]);
  engine.numbers(from, weight.length).set(weight);
  for (const { function: name, tasks } of packing.kernel.phases(1))
    for (let task = tasks - 1; task >= 0; task--)
      engine.call(packing.kernel.name, name, [from, to, 0, 1, task, task + 1]);
  const packed = engine.numbers(to, packing.bytes / 4);
  const side = points.kernel.length;
  for (let o = 0; o < outputs; o++) {
    for (let c = 0; c < channels; c++) {
      const g = [0, 3, 6].map((row) => [
        ...weight.subarray((o * channels + c) * 9 + row, (o * channels + c) * 9 + row + 3),
      ]);
      const u = product(product(points.kernel, g), transposed(points.kernel)).flat();
      for (let position = 0; position < side * side; position++) {
        const at = (position * packing.position + Math.floor(o / PANEL) * packing.panel) / 4 + c * PANEL + (o % PANEL);
        expect(Math.abs(packed[at]! - u[position]!)).toBeLessThanOrEqual(2 ** -24 * Math.abs(u[position]!) + 2 ** -50);
      }
    }
  }
});
