import type { WinogradPoints } from "@residual/core";
import { f64x2, type Local, type V128, v128 } from "../../encode/expression.ts";
import type { Body } from "../../encode/function.ts";

export type Matrix = WinogradPoints["kernel"];

/** Sums of vectors in the body of a function. */
export interface Arithmetic {
  add(a: V128, b: V128): V128;
  sub(a: V128, b: V128): V128;
  times(a: V128, factor: number): V128;
  /** `sum += a · factor` */
  addTimes(sum: Local<"v128">, a: V128, factor: number): void;
}

/** Four float32 numbers per vector. The magnitudes of a matrix's factors are kept in locals. */
export function float32s(body: Body, matrix: Matrix): Arithmetic {
  const magnitudes = new Set(matrix.flat().map(Math.abs));
  const constants = new Map([...magnitudes].filter((each) => each > 1).map((f) => [f, body.let(v128.const(f))]));
  const constant = (factor: number) => constants.get(factor) ?? v128.const(factor);
  return {
    add: v128.add,
    sub: v128.sub,
    times: (a, factor) => v128.mul(a, constant(factor)),
    addTimes(sum, a, factor) {
      if (factor > 0) body.addProduct(sum, a, constant(factor));
      else body.subtractProduct(sum, a, constant(-factor));
    },
  };
}

/** Two float64 numbers per vector. */
export function float64s(body: Body): Arithmetic {
  const times = (a: V128, factor: number) => f64x2.mul(a, f64x2.const(factor));
  return {
    add: f64x2.add,
    sub: f64x2.sub,
    times,
    addTimes: (sum, a, factor) => body.set(sum, f64x2.add(sum, times(a, factor))),
  };
}

type Term = readonly [factor: number, value: Local<"v128">];

/** Σ factor · value in a local, starting with a term that needs no product. */
function sumOf(body: Body, arithmetic: Arithmetic, terms: readonly Term[]): Local<"v128"> {
  const present = terms.filter(([factor]) => factor !== 0);
  const first = present.find(([factor]) => factor === 1) ?? present[0]!;
  const sum = body.let(first[0] === 1 ? first[1] : arithmetic.times(first[1], first[0]));
  for (const term of present) {
    const [factor, value] = term;
    if (term === first) continue;
    if (factor === 1) body.set(sum, arithmetic.add(sum, value));
    else if (factor === -1) body.set(sum, arithmetic.sub(sum, value));
    else arithmetic.addTimes(sum, value, factor);
  }
  return sum;
}

/**
 * matrix · x, for Bᵀ and G. The rows of two opposite points differ in the sign of their odd columns, so both are
 * computed from two halves: even + odd, even − odd.
 */
export function timesRows(
  body: Body,
  arithmetic: Arithmetic,
  matrix: Matrix,
  x: readonly Local<"v128">[],
): Local<"v128">[] {
  const terms = (row: readonly number[]) => row.map((factor, k): Term => [factor, x[k]!]);
  return matrix.flatMap((row, at) => {
    if (isOpposite(row, matrix[at - 1])) return [];
    if (!isOpposite(row, matrix[at + 1])) return [sumOf(body, arithmetic, terms(row))];
    const odd = row.filter((_, k) => k % 2 === 1);
    const common = commonMagnitude(odd);
    const even = sumOf(body, arithmetic, terms(row.map((factor, k) => (k % 2 === 0 ? factor : 0))));
    const other = sumOf(body, arithmetic, terms(row.map((factor, k) => (k % 2 === 1 ? factor / common : 0))));
    return [1, -1].map((sign) =>
      sumOf(body, arithmetic, [
        [1, even],
        [sign * common, other],
      ]),
    );
  });
}

/**
 * matrix · x, for Aᵀ. The columns of two opposite points differ in the sign of their odd rows, so even rows take the
 * sum of their two numbers, and odd rows the difference.
 */
export function timesColumns(
  body: Body,
  arithmetic: Arithmetic,
  matrix: Matrix,
  x: readonly Local<"v128">[],
): Local<"v128">[] {
  const columns = matrix[0]!.map((_, k) => matrix.map((row) => row[k]!));
  const taken = columns.map((column, k): readonly [even: Local<"v128">, odd: Local<"v128">] | undefined => {
    if (isOpposite(column, columns[k - 1])) return undefined;
    const [a, b] = [x[k]!, x[k + 1]];
    if (b === undefined || !isOpposite(column, columns[k + 1])) return [a, a];
    return [body.let(arithmetic.add(a, b)), body.let(arithmetic.sub(a, b))];
  });
  return matrix.map((row, i) => {
    const terms = row.flatMap((factor, k): Term[] => (taken[k] ? [[factor, taken[k][i % 2]!]] : []));
    return sumOf(body, arithmetic, terms);
  });
}

/** Whether a row or column differs from another in the sign of its odd entries, some of which are not 0. */
function isOpposite(a: readonly number[], b: readonly number[] | undefined): boolean {
  const hasBoth = [0, 1].every((parity) => a.some((value, k) => k % 2 === parity && value !== 0));
  return hasBoth && b !== undefined && a.every((value, k) => value === (k % 2 === 0 ? b[k]! : -b[k]!));
}

/** The common magnitude of all entries that are not 0; 1 if they differ. */
function commonMagnitude(numbers: readonly number[]): number {
  const magnitudes = new Set(numbers.filter((value) => value !== 0).map(Math.abs));
  return magnitudes.size === 1 ? [...magnitudes][0]! : 1;
}
