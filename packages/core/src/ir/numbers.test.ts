import { describe, expect, it } from "vitest";
import { numbersReader } from "./numbers.ts";
import { type FileSource, type ScaledRows, type Tensor, tensor } from "./tensor.ts";

/** A tensor whose numbers lie in a file: they may be read, and not asked for. */
function inFile(shape: readonly number[], numbers: readonly number[], scaled?: ScaledRows): Tensor<"float32"> {
  const source: FileSource = {
    path: "numbers",
    offset: 0,
    isCurrent: async () => true,
    readInto: (bytes, begin = 0) => bytes.set(new Uint8Array(Float32Array.from(numbers).buffer, begin, bytes.length)),
  };
  return {
    dtype: "float32",
    shape,
    source,
    ...(scaled && { scaled }),
    get data(): Float32Array {
      throw new Error("the whole tensor was asked for");
    },
  };
}

describe("a reader of numbers", () => {
  it("gives those in memory as they lie", () => {
    using read = numbersReader();
    const x = tensor([2, 1], [3, 5]);
    expect(read(x).data).toBe(x.data);
  });

  it("gives a product as its rows and their gain", () => {
    using read = numbersReader();
    const gain = Float64Array.of(1 / 3, 0.1);
    const found = read(inFile([2, 2], [], { of: inFile([2, 2], [1, 2, 3, 4]), gain }));
    expect([...found.data]).toEqual([1, 2, 3, 4]);
    expect(found).toMatchObject({ shape: [2, 2], gain });
  });

  it("gives some rows of each", () => {
    using read = numbersReader();
    const rows = { first: 1, end: 3 };
    const shape = [2, 2];
    const numbers = [1, 2, 3, 4, 5, 6, 7, 8];
    expect(read(tensor([4, 2], numbers), rows)).toEqual({ shape, data: Float32Array.of(3, 4, 5, 6) });
    expect(read(inFile([4, 2], numbers), rows)).toEqual({ shape, data: Float32Array.of(3, 4, 5, 6) });
    const gain = Float64Array.of(1, 2, 3, 4);
    const scaled = read(inFile([4, 2], [], { of: inFile([4, 2], numbers), gain }), rows);
    expect(scaled).toEqual({ shape, data: Float32Array.of(3, 4, 5, 6), gain: Float64Array.of(2, 3) });
  });

  it("reads those of files into one piece of memory, which it gives back", () => {
    const read = numbersReader();
    const { data: first } = read(inFile([3], [1, 2, 3]));
    expect([...first]).toEqual([1, 2, 3]);
    const { data: second } = read(inFile([2], [4, 5]));
    expect([...second]).toEqual([4, 5]);
    expect(second.buffer).toBe(first.buffer);
    read[Symbol.dispose]();
    expect(second.length).toBe(0);
  });
});
