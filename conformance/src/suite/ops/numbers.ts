import { sizeOf, type Tensor, tensor, tensorOf } from "@residual/core";

/** Consecutive numbers: 1, 2, 3, … */
export const counting = (shape: readonly number[], from = 1): Tensor<"float32"> =>
  tensor(
    shape,
    Array.from({ length: sizeOf(shape) }, (_, i) => from + i),
  );

/** Numbers that float32 cannot hold: some exceed its largest number, and some lie between two neighbours. */
export const exactly = (shape: readonly number[], numbers: readonly number[]): Tensor<"float64"> =>
  tensorOf("float64", shape, Float64Array.from(numbers));

/** 1 2 3 / 4 5 6 / 7 8 9 */
export const nine: Tensor<"float32"> = counting([1, 1, 3, 3]);

export const ones: Tensor<"float32"> = tensor([1, 1, 1, 3], [1, 1, 1]);

export const { NaN: nan, POSITIVE_INFINITY: inf } = Number;

/** 1e38 and 3e38, rounded to float32. */
export const large: number = Math.fround(1e38);
export const larger: number = Math.fround(3e38);
