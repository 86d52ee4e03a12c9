import { expect, it } from "vitest";
import { fill } from "./fixture.ts";
import { winogradF2, winogradF4 } from "./winograd.ts";

type Matrix = readonly (readonly number[])[];

const transposed = (a: Matrix) => a[0]!.map((_, column) => a.map((row) => row[column]!));
const times = (a: Matrix, b: Matrix) =>
  a.map((row) => transposed(b).map((column) => row.reduce((sum, value, k) => sum + value * column[k]!, 0)));
const sandwich = (a: Matrix, d: Matrix) => times(times(a, d), transposed(a));

function random(name: string, size: number): Matrix {
  const { data } = fill("winograd", name, [size, size], -1, 1);
  return Array.from({ length: size }, (_, row) => Array.from(data.subarray(row * size, (row + 1) * size)));
}

it.each([winogradF2, winogradF4])("$name is a 3 × 3 convolution of each tile", ({ input, kernel, output }) => {
  const [d, g] = [random("d", input.length), random("g", 3)];
  const [v, u] = [sandwich(input, d), sandwich(kernel, g)];
  const found = sandwich(
    output,
    u.map((row, i) => row.map((value, j) => value * v[i]![j]!)),
  );
  const taps = [0, 1, 2];
  for (const [i, row] of found.entries()) {
    for (const [j, value] of row.entries()) {
      const direct = taps.flatMap((p) => taps.map((q) => g[p]![q]! * d[i + p]![j + q]!)).reduce((a, b) => a + b);
      expect(value).toBeCloseTo(direct, 12);
    }
  }
});
