import { type Tensor, tensor, tensorOf } from "@residual/core";
import { expect, it } from "vitest";
import { changeBetween, statisticsOf } from "./statistics.ts";

const of = (...numbers: number[]): Tensor => tensor([numbers.length], numbers);

it.each<[string, Tensor, Tensor, object]>([
  ["the same, NaN too", of(1, NaN, -0), of(1, NaN, 0), { differing: 0, largest: 0, relative: 0 }],
  ["a number and NaN", of(1, 2), of(NaN, 2), { differing: 1, largest: Infinity, relative: Infinity }],
  ["a number and infinity", of(3, 4), of(3, Infinity), { differing: 1, largest: Infinity, relative: Infinity }],
  ["zeros and others", of(0, 0), of(0, 2), { differing: 1, largest: 2, relative: Infinity }],
  // √((1 + 4) / (9 + 16))
  ["two changes", of(3, -4), of(2, -2), { differing: 2, largest: 2, relative: Math.sqrt(0.2) }],
])("the change between %s", async (_, a, b, expected) => {
  expect(await changeBetween(a, b)).toEqual(expected);
});

it("statistics keep their digits beside a large mean, and pass over numbers that are not finite", async () => {
  const large = tensorOf("float64", [4], Float64Array.of(1e9, 1e9 + 2, NaN, -Infinity));
  expect(await statisticsOf(large)).toEqual({ min: 1e9, max: 1e9 + 2, mean: 1e9 + 1, std: 1, nonFinite: 2 });
});

it("whole numbers have statistics too", async () => {
  const counts = tensorOf("int64", [2], BigInt64Array.of(3n, 5n));
  expect(await statisticsOf(counts)).toEqual({ min: 3, max: 5, mean: 4, std: 1, nonFinite: 0 });
});
