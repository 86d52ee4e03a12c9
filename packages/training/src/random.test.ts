import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { below, beta, normal, permutation, randomOf } from "./random.ts";

const many = 20_000;
const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
const variance = (values: readonly number[]) => {
  const middle = mean(values);
  return mean(values.map((value) => (value - middle) ** 2));
};

describe("randomOf", () => {
  it("depends on each key, on the purpose, and on the order of keys", () => {
    const first = (random: ReturnType<typeof randomOf>) => [random.next(), random.next(), random.next()].join();
    const streams = [
      randomOf(0, "picture", 0, 0),
      randomOf(1, "picture", 0, 0),
      randomOf(0, "picture", 1, 0),
      randomOf(0, "picture", 0, 1),
      randomOf(0, "mix", 0, 0),
      randomOf(0, "picture", 0),
    ].map(first);
    expect(new Set(streams).size).toBe(streams.length);
    expect(first(randomOf(0, "picture", 0, 0))).toBe(streams[0]);
  });

  it("is uniform within a stream and across keys", () => {
    const random = randomOf(7, "picture");
    const within = Array.from({ length: many }, () => random.next());
    const across = Array.from({ length: many }, (_, index) => randomOf(7, "picture", 3, index).next());
    for (const values of [within, across]) {
      expect(Math.min(...values)).toBeGreaterThanOrEqual(0);
      expect(Math.max(...values)).toBeLessThan(1);
      // mean and variance of the uniform distribution, within five standard errors
      expect(Math.abs(mean(values) - 1 / 2)).toBeLessThan(5 * Math.sqrt(1 / 12 / many));
      expect(Math.abs(variance(values) - 1 / 12)).toBeLessThan(5 * Math.sqrt(1 / 180 / many));
    }
  });
});

it("below gives each number equally often", () => {
  const random = randomOf(1, "order");
  const counts = [0, 0, 0, 0, 0];
  for (let i = 0; i < many; i++) counts[below(random, 5)]!++;
  for (const count of counts) expect(Math.abs(count - many / 5)).toBeLessThan(5 * Math.sqrt(many * 0.2 * 0.8));
});

it("normal has mean 0 and variance 1", () => {
  const random = randomOf(1, "weights");
  const values = Array.from({ length: many }, () => normal(random));
  expect(Math.abs(mean(values))).toBeLessThan(5 / Math.sqrt(many));
  expect(Math.abs(variance(values) - 1)).toBeLessThan(5 * Math.sqrt(2 / many));
});

it.each([0.1, 0.2, 1, 4])("beta with exponent %d has the mean 1/2 and its variance", (alpha) => {
  const random = randomOf(1, "mix");
  const values = Array.from({ length: many }, () => beta(random, alpha));
  const expected = 1 / (4 * (2 * alpha + 1));
  expect(Math.abs(mean(values) - 0.5)).toBeLessThan(5 * Math.sqrt(expected / many));
  expect(Math.abs(variance(values) - expected)).toBeLessThan(5 * Math.sqrt((1 / 16 - expected ** 2) / many));
});

it("a permutation has each number once, and every order can occur", () => {
  fc.assert(
    fc.property(fc.nat(200), fc.integer(), (count, seed) => {
      const order = permutation(randomOf(seed, "order"), count);
      expect(Array.from(order).sort((a, b) => a - b)).toEqual(Array.from({ length: count }, (_, i) => i));
    }),
  );
  const orders = new Map<string, number>();
  for (let seed = 0; seed < 6000; seed++) {
    const key = permutation(randomOf(seed, "order"), 3).join();
    orders.set(key, (orders.get(key) ?? 0) + 1);
  }
  expect(orders.size).toBe(6);
  for (const count of orders.values()) expect(Math.abs(count - 1000)).toBeLessThan(150);
});
