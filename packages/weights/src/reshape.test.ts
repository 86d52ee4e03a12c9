import {
  type LazySource,
  permuteAxes,
  readRows,
  readTensor,
  ShapeError,
  type Source,
  sizeOf,
  tensor,
} from "@residual/core";
import fc from "fast-check";
import { expect, it } from "vitest";
import { reshape } from "./reshape.ts";

const numbers = tensor(
  [4, 3, 2],
  Array.from({ length: 24 }, (_, i) => i),
);
/** A lazy source with the same numbers in the same order. */
const lazy = permuteAxes(permuteAxes(numbers, [2, 1, 0]), [2, 1, 0]) as LazySource;

it("has the numbers of the source in their order, rows as they are asked for", () =>
  fc.assert(
    fc.asyncProperty(
      fc.constantFrom([24], [1, 24], [2, 12], [3, 8], [6, 4], [8, 3], [12, 2], [2, 3, 4], [24, 1, 1], []),
      fc.constantFrom<Source>(numbers, lazy),
      fc.nat(23),
      fc.nat(23),
      fc.boolean(),
      async (sizes, source, a, b, isWide) => {
        const shape = sizes.length > 0 ? sizes : [4, 6];
        const [first, end] = [a, b].map((each) => each % (shape[0]! + 1)).toSorted((x, y) => x - y) as [number, number];
        const reshaped = reshape(source, shape);
        expect(reshaped.shape).toEqual(shape);
        const row = sizeOf(shape.slice(1));
        const into = isWide ? new Float64Array((end - first) * row) : new Float32Array((end - first) * row);
        await readRows(reshaped, into, { first, end });
        expect([...into]).toEqual([...numbers.data.subarray(first * row, end * row)]);
      },
    ),
  ));

it("keeps a scalar, and refuses another size", async () => {
  expect((await readTensor(reshape(tensor([1], [7]), []))).shape).toEqual([]);
  expect(() => reshape(lazy, [5, 5])).toThrow(ShapeError);
});
