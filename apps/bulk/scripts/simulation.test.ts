import { expect, it } from "vitest";
import { type Cluster, simulate } from "./simulation.ts";

const cluster: Cluster = {
  images: 1000,
  shardSize: 10,
  workers: 4,
  service: [0.1],
  gap: 0,
  startup: 0,
  betweenFailures: Number.POSITIVE_INFINITY,
  replacement: 10,
  lock: 30,
  check: 15,
  stragglers: { share: 0, factor: 1 },
  redis: 0,
  imageBytes: 0,
  bandwidth: 1,
  seed: 1,
};

it("divides equal shards over workers", () => {
  expect(simulate(cluster)).toMatchObject({ seconds: 25, imagesPerSecond: 40, efficiency: 1, tail: 1, failures: 0 });
  expect(simulate({ ...cluster, workers: 64 }).seconds).toBe(2); // 100 shards of 1 s: two rounds
  expect(simulate({ ...cluster, workers: 1, gap: 0.5 }).seconds).toBeCloseTo(100 + 99 * 0.5);
});

it("is bound by Redis, by the bandwidth and by slow workers", () => {
  expect(simulate({ ...cluster, workers: 100, redis: 0.5 }).seconds).toBeCloseTo(100 * 0.5 + 1);
  expect(simulate({ ...cluster, imageBytes: 10, bandwidth: 100 }).seconds).toBeCloseTo((1000 * 10) / 100);
  expect(simulate({ ...cluster, stragglers: { share: 1, factor: 3 } }).seconds).toBeCloseTo(75);
});

it("finishes although workers fail, and counts the lost time", () => {
  const failing = simulate({ ...cluster, images: 10_000, betweenFailures: 20 });
  expect(failing.failures).toBeGreaterThan(20);
  expect(failing.efficiency).toBeLessThan(0.75); // 10 s of every 30 for the replacement, and half a shard
  expect(failing.efficiency).toBeGreaterThan(0.5);
  expect(failing.seconds * failing.efficiency * 4).toBeCloseTo(1000); // every shard was finished once
});
