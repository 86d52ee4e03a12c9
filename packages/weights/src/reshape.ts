import { check, isResident, isTensor, readRows, rowSize, rowsIn, type Source, shortList, sizeOf } from "@residual/core";

/**
 * The same numbers, in their order, under another shape of the same size. Of a lazy source, the rows that hold the
 * numbers are read. Throws ShapeError under C1 for another size.
 */
export function reshape(source: Source, shape: readonly number[]): Source {
  const fits = sizeOf(shape) === sizeOf(source.shape);
  check(fits, "reshape.C1", `[${shortList(source.shape)}] as [${shortList(shape)}], which has another size`);
  if (isTensor(source)) return { ...source, shape };
  const [stored, row] = [rowSize(source), rowSize({ shape })];
  return {
    ...source,
    shape,
    isResident: isResident(source),
    async read(into, { first, end }) {
      const [from, to] = [first * row, end * row];
      const rows = { first: Math.floor(from / stored), end: Math.min(Math.ceil(to / stored), rowsIn(source)) };
      const isWhole = rows.first * stored === from && rows.end * stored === to;
      if (isWhole) return readRows(source, into, rows);
      const around = into instanceof Float32Array ? Float32Array : Float64Array;
      const numbers = new around((rows.end - rows.first) * stored);
      await readRows(source, numbers, rows);
      into.set(numbers.subarray(from - rows.first * stored, to - rows.first * stored));
    },
  };
}
