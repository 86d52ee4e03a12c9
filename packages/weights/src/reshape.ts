import { check, isResident, isTensor, readRows, rowSize, rowsIn, type Source, shortList, sizeOf } from "@residual/core";

/**
 * Reshapes a source; the order of its numbers stays the same. A lazy source reads only the rows that hold the requested
 * numbers. Throws ShapeError under C1 if the size changes.
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
