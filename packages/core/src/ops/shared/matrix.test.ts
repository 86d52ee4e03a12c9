import fc from "fast-check";
import { expect, it } from "vitest";
import { multiplyTransposed } from "./matrix.ts";

const size = fc.integer({ min: 1, max: 11 });

it("each element of a · bᵀ is summed in the order of `inner`, whatever the tiles and their rest", () => {
  fc.assert(
    fc.property(
      size,
      size,
      size,
      fc.noBias(fc.infiniteStream(fc.double({ min: -1, max: 1 }))),
      (rows, columns, inner, numbers) => {
        const [a, b] = [rows, columns].map((count) => Float64Array.from(numbers.take(count * inner)));
        const y = new Float64Array(rows * columns).fill(Number.NaN);
        multiplyTransposed(y, a!, b!, rows, columns, inner);
        const expected = y.map((_, at) => {
          const [row, column] = [Math.floor(at / columns), at % columns];
          let sum = 0;
          for (let k = 0; k < inner; k++) sum += a![row * inner + k]! * b![column * inner + k]!;
          return sum;
        });
        expect(y).toEqual(expected);
      },
    ),
  );
});
