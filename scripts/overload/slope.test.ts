import { expect, it } from "vitest";
import { slopeOf, studentT } from "./slope.ts";

// NIST/SEMATECH e-Handbook of Statistical Methods, 1.3.6.7.2, t for 0.975.
it.each([
  [8, 2.306],
  [10, 2.228],
  [20, 2.086],
  [30, 2.042],
  [100, 1.984],
])("Student's t of %i degrees", (degrees, expected) => {
  expect(studentT(degrees)).toBeCloseTo(expected, 2);
});

it("finds a straight line exactly, in units an hour", () => {
  const samples = Array.from({ length: 100 }, (_, at) => ({ at, value: 500 + at / 3600 }));
  const { perHour, within } = slopeOf(samples);
  expect(perHour).toBeCloseTo(1, 6);
  expect(within).toBeLessThan(1e-6);
});

// Norris, NIST StRD, certified by NIST: slope 1.00211681802045, its standard error 0.429796848199937e-3, 34 degrees.
it("agrees with NIST's certified values for Norris", () => {
  const x = [
    0.2, 337.4, 118.2, 884.6, 10.1, 226.5, 666.3, 996.3, 448.6, 777.0, 558.2, 0.4, 0.6, 775.5, 666.9, 338.0, 447.5,
    11.6, 556.0, 228.1, 995.8, 887.6, 120.2, 0.3, 0.3, 556.8, 339.1, 887.2, 999.0, 779.0, 11.1, 118.3, 229.2, 669.1,
    448.9, 0.5,
  ];
  const y = [
    0.1, 338.8, 118.1, 888.0, 9.2, 228.1, 668.5, 998.5, 449.1, 778.9, 559.2, 0.3, 0.1, 778.1, 668.8, 339.3, 448.9, 10.8,
    557.7, 228.3, 998.0, 888.8, 119.6, 0.3, 0.6, 557.6, 339.3, 888.0, 998.5, 778.9, 10.2, 117.6, 228.9, 668.4, 449.2,
    0.2,
  ];
  const samples = x.map((at, index) => ({ at, value: y[index]! }));
  const { perHour, within } = slopeOf(samples);
  expect(perHour / 3600).toBeCloseTo(1.00211681802045, 12);
  expect(within / 3600 / studentT(34)).toBeCloseTo(0.429796848199937e-3, 7);
});
