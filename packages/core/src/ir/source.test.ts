import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ShapeError } from "./errors.ts";
import {
  concatenateRows,
  firstNonFinite,
  isResident,
  type LazySource,
  permuteAxes,
  type RealArray,
  readFloat64,
  readRows,
  readTensor,
  rowSize,
  type Source,
  scaleRows,
} from "./source.ts";
import { type Tensor, tensor, tensorOf } from "./tensor.ts";

/** The same numbers, but for `data`: they can only be read. */
function lazy(of: Tensor<"float32">): LazySource {
  const { dtype, shape } = of;
  return { dtype, shape, firstNonFinite: firstNonFinite(of), read: (into, rows) => readRows(of, into, rows) };
}

const numbers = (size: number) => Array.from({ length: size }, (_, i) => i + 1);
const shapes = fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 1, maxLength: 4 });
/** In memory, and lazy: whoever composes sources must not tell them apart. */
const sources = fc.tuple(shapes, fc.boolean()).map(([shape, isLazy]): Source => {
  const whole = tensor(shape, numbers(shape.reduce((a, b) => a * b, 1)));
  return isLazy ? lazy(whole) : whole;
});

/** Any rows of a source are those of the whole. */
async function expectRowsOfWhole(source: Source): Promise<void> {
  const { data } = await readFloat64(source);
  const row = rowSize(source);
  for (let first = 0; first <= source.shape[0]!; first++) {
    for (let end = first; end <= source.shape[0]!; end++) {
      const into = new Float64Array((end - first) * row);
      await readRows(source, into, { first, end });
      expect(into).toEqual(data.slice(first * row, end * row));
    }
  }
}

describe("a source", () => {
  it("gives a tensor back as it is", async () => {
    const x = tensor([2, 1], [3, 5]);
    expect(await readTensor(x)).toBe(x);
  });

  it("gives rows of the whole, however it is composed", async () => {
    await fc.assert(
      fc.asyncProperty(sources, fc.integer({ min: 0, max: 23 }), async (source, seed) => {
        const order = source.shape.map((_, axis) => axis).sort((a, b) => ((a * 7 + seed) % 5) - ((b * 7 + seed) % 5));
        const gain = Float64Array.from({ length: source.shape[0]! }, (_, c) => c + 0.5);
        await expectRowsOfWhole(source);
        await expectRowsOfWhole(scaleRows(source, gain));
        await expectRowsOfWhole(permuteAxes(source, order));
        await expectRowsOfWhole(concatenateRows([source, scaleRows(source, gain), source]));
      }),
      { numRuns: 60 },
    );
  });

  it("R1 refuses rows that it does not have, and memory of another size", async () => {
    const x = tensor([3, 2], numbers(6));
    for (const [size, first, end] of [
      [2, 3, 4],
      [4, 2, 1],
      [2, -1, 0],
      [3, 0, 1],
    ] as const) {
      await expect(readRows(x, new Float32Array(size), { first, end })).rejects.toThrow(ShapeError);
    }
  });

  it("has one row where it is a scalar", async () => {
    expect((await readFloat64(tensor([], [7]))).data).toEqual(Float64Array.of(7));
  });
});

it("finds the first number that is not finite, in tensors short and long", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 9000 }),
      fc.nat(),
      fc.constantFrom(NaN, Infinity, -Infinity),
      (size, at, special) => {
        const data = Float32Array.from({ length: size }, (_, i) => i);
        expect(firstNonFinite(tensorOf("float32", [size], data))).toBe(-1);
        data.fill(special, at % size);
        expect(firstNonFinite(tensorOf("float32", [size], data))).toBe(at % size);
      },
    ),
    { numRuns: 40 },
  );
});

it("is resident where all that it is made of is in memory", () => {
  const [held, elsewhere] = [tensor([2, 2], numbers(4)), lazy(tensor([2, 2], numbers(4)))];
  const gain = Float64Array.of(1, 2);
  expect(
    [held, scaleRows(held, gain), permuteAxes(held, [1, 0]), concatenateRows([held, held])].map(isResident),
  ).toEqual([true, true, true, true]);
  expect(
    [elsewhere, scaleRows(elsewhere, gain), permuteAxes(elsewhere, [1, 0]), concatenateRows([held, elsewhere])].map(
      isResident,
    ),
  ).toEqual([false, false, false, false]);
});

describe("scaleRows", () => {
  it("multiplies each row by its gain", async () => {
    const scaled = scaleRows(lazy(tensor([2, 2], [1, 2, 3, 4])), Float64Array.of(10, 0.5));
    expect(await readTensor(scaled)).toEqual(tensorOf("float64", [2, 2], Float64Array.of(10, 20, 1.5, 2)));
  });

  it("rounds once, to the type that is read into", async () => {
    // 1 + 2⁻³⁰ is 1 in float32: rounded before it is multiplied, the product would be 3 · 2⁻²⁴ less one half step.
    const wide = tensorOf("float64", [1], Float64Array.of(1 + 2 ** -24 + 2 ** -30));
    const gain = Float64Array.of(1 + 2 ** -23);
    const into = new Float32Array(1);
    await readRows(scaleRows(wide, gain), into);
    expect(into[0]).toBe(Math.fround((1 + 2 ** -24 + 2 ** -30) * (1 + 2 ** -23)));
    expect(into[0]).not.toBe(Math.fround(Math.fround(1 + 2 ** -24) * (1 + 2 ** -23)));
  });

  it("gives the same products where a bound of the numbers is known", async () => {
    const rows = fc.array(fc.float({ min: -4, max: 4, noNaN: true }), { minLength: 1, maxLength: 60 });
    const gains = fc.double({ min: -(2 ** 120), max: 2 ** 120, noNaN: true });
    const products = async (source: Source, into: RealArray) => {
      await readRows(source, into);
      return into;
    };
    await fc.assert(
      fc.asyncProperty(rows, gains, gains, async (row, one, two) => {
        const whole = tensor([2, row.length], [...row, ...row.toReversed()]);
        const gain = Float64Array.of(one, two);
        for (const kind of [Float32Array, Float64Array]) {
          const into = () => new kind(2 * row.length);
          const bounded = await products(scaleRows({ ...lazy(whole), bound: 4 }, gain), into());
          expect(bounded).toEqual(await products(scaleRows(whole, gain), into()));
        }
      }),
    );
  });

  it("refuses a product beyond float32, however near its bound comes", async () => {
    const bounded = (bound: number) => scaleRows({ ...lazy(tensor([1], [2])), bound }, Float64Array.of(2 ** 127));
    for (const bound of [2, 4])
      for (const into of [new Float32Array(1), new Float64Array(1)])
        await expect(readRows(bounded(bound), into)).rejects.toThrow("beyond float32");
  });

  it("C1 refuses another number of gains", () => {
    expect(() => scaleRows(tensor([2], [1, 2]), Float64Array.of(1))).toThrow("1 gains for 2 rows (scaleRows.C1)");
  });
});

describe("permuteAxes", () => {
  it("leaves a scalar as it is", async () => {
    for (const scalar of [tensor([], [7]), lazy(tensor([], [7]))]) {
      expect((await readTensor(permuteAxes(scalar, []))).data[0]).toBe(7);
    }
  });

  it("makes PyTorch's kernels of Keras'", async () => {
    // HWIO [1, 2, 3, 1]: width 2, inputs 3. OIHW [1, 3, 1, 2]: each input's two taps side by side.
    const kernels = permuteAxes(tensor([1, 2, 3, 1], [1, 2, 3, 4, 5, 6]), [3, 2, 0, 1]);
    expect(await readTensor(kernels)).toEqual(tensor([1, 3, 1, 2], [1, 4, 2, 5, 3, 6]));
  });

  it("reads a lazy source once for all rows", async () => {
    let reads = 0;
    const whole = tensor([2, 3], numbers(6));
    const source: LazySource = {
      dtype: "float32",
      shape: [2, 3],
      firstNonFinite: -1,
      read(into, rows) {
        reads++;
        return readRows(whole, into, rows);
      },
    };
    await expectRowsOfWhole(permuteAxes(source, [1, 0]));
    expect(reads).toBe(1);
  });

  it("knows where the first number is that is not finite, for as many as there are", async () => {
    await fc.assert(
      fc.asyncProperty(sources, fc.nat(), fc.integer({ min: 0, max: 23 }), async (source, place, seed) => {
        const { shape, data } = await readTensor(source);
        const broken = tensor(shape, data);
        broken.data[place % data.length] = Infinity;
        const order = shape.map((_, axis) => axis).sort((a, b) => ((a * 7 + seed) % 5) - ((b * 7 + seed) % 5));
        for (const made of [permuteAxes(broken, order), concatenateRows([source, lazy(broken)])]) {
          expect(firstNonFinite(made)).toBe(firstNonFinite(await readTensor(made)));
        }
        expect(firstNonFinite(permuteAxes(source, order))).toBe(-1);
      }),
      { numRuns: 60 },
    );
  });

  it("C1 refuses what is not an order of the axes", () => {
    for (const order of [[0], [0, 0], [0, 2], [0, 1, 2]]) {
      expect(() => permuteAxes(tensor([2, 2], numbers(4)), order)).toThrow("permuteAxes.C1");
    }
  });
});

describe("concatenateRows", () => {
  it("puts one part after the other", async () => {
    const joined = concatenateRows([tensor([1, 2], [1, 2]), lazy(tensor([2, 2], [3, 4, 5, 6]))]);
    expect(await readTensor(joined)).toEqual(tensor([3, 2], numbers(6)));
  });

  it("C1 refuses parts of other rows, and none", () => {
    expect(() => concatenateRows([tensor([1, 2], [1, 2]), tensor([2], [1, 2])])).toThrow("concatenateRows.C1");
    expect(() => concatenateRows([])).toThrow("concatenateRows.C1");
  });
});
