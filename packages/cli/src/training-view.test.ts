import { expect, it } from "vitest";
import { duration, sparkline } from "./training-view.ts";

it.each([
  [[0, 1, 2, 3, 4, 5, 6, 7], undefined, "▁▂▃▄▅▆▇█"],
  [[0, 0.5, 1], [0, 1] as const, "▁▅█"],
  [[2, 2], undefined, "▁▁"],
  [[1, Number.NaN], [0, 1] as const, "█?"],
])("%j as a curve", (values, range, curve) => {
  expect(sparkline(values, range)).toBe(curve.padEnd(24));
});

it("many values are means of equal stretches", () => {
  expect(sparkline(Array.from({ length: 48 }, (_, i) => (i < 24 ? i % 2 : 1 + (i % 2))))).toBe(
    "▁".repeat(12) + "█".repeat(12),
  );
});

it.each([
  [0.2, "0 s"],
  [59.6, "1 min 0 s"],
  [200, "3 min 20 s"],
  [7500, "2 h 5 min"],
])("%d seconds as %s", (seconds, words) => {
  expect(duration(seconds)).toBe(words);
});
