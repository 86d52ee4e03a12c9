/// <reference lib="dom" />
/**
 * Simulates bulk jobs on clusters, from the measured run in docs/scale.json (scripts/measure-queue.ts). Prints a table,
 * compares the simulation with the measured run, and draws docs/scale.svg.
 *
 *   pnpm exec node --conditions=@residual/source scripts/simulate-scale.ts [--model resnet50] [--images 10000000]
 *     [--shard-size 512] [--failures 24] [--stragglers 0.05] [--bandwidth 10] [--image-bytes 110000] [--rate 25]
 *     [--seed 1]
 *
 * `failures`: hours between two failures of a worker. `stragglers`: share of the workers that take three times as long.
 * `bandwidth`: gigabits a second of the store of pictures, shared by all workers. `rate`: images a second of a core;
 * the measured times are scaled to this mean.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import * as Plot from "@observablehq/plot";
import { parseHTML } from "linkedom";
import type { Measured } from "./measure-queue.ts";
import { type Cluster, type Outcome, simulate } from "./simulation.ts";

const { values } = parseArgs({
  options: {
    model: { type: "string", default: "resnet50" },
    images: { type: "string", default: "10000000" },
    "shard-size": { type: "string", default: "512" },
    failures: { type: "string", default: "24" },
    stragglers: { type: "string", default: "0.05" },
    bandwidth: { type: "string", default: "10" },
    "image-bytes": { type: "string", default: "110000" },
    rate: { type: "string" },
    seed: { type: "string", default: "1" },
  },
});

const docs = new URL("../../../docs/", import.meta.url);
const { runs } = JSON.parse(readFileSync(new URL("scale.json", docs), "utf8")) as {
  readonly runs: readonly Measured[];
};
const measured = runs.find(({ model }) => model === values.model);
if (!measured) throw new Error(`docs/scale.json has no run of ${values.model}; scripts/measure-queue.ts makes one`);

const calm = { betweenFailures: Number.POSITIVE_INFINITY, stragglers: { share: 0, factor: 1 } };

/** The measured run as a cluster: no failures, no stragglers, pictures on the machine's own disk. */
const real: Cluster = {
  images: measured.images,
  shardSize: measured.shardSize,
  workers: measured.workers,
  service: measured.shards.map((seconds) => seconds / measured.shardSize),
  gap: measured.gap,
  startup: 0, // the measured seconds begin with the first shard
  replacement: 60,
  lock: 30,
  check: 15,
  redis: measured.redis,
  imageBytes: 0,
  bandwidth: Number.POSITIVE_INFINITY,
  seed: Number(values.seed),
  ...calm,
};

/** Means of runs with other seeds, since a few shards in a random order differ by chance. */
function check(): void {
  const simulated = Array.from({ length: 200 }, (_, seed) => simulate({ ...real, seed }).seconds);
  const mean = simulated.reduce((sum, each) => sum + each, 0) / simulated.length;
  const difference = (mean / measured!.seconds - 1) * 100;
  console.log(
    `check: ${measured!.model}, ${measured!.shards.length} shards on ${measured!.workers} workers took ` +
      `${measured!.seconds.toFixed(1)} s, simulated ${mean.toFixed(1)} s (${difference.toFixed(1)} %)`,
  );
}

const mean = real.service.reduce((sum, each) => sum + each, 0) / real.service.length;
const perCore = values.rate === undefined ? 1 / mean : Number(values.rate);

const cluster = (workers: number, shardSize: number): Cluster => ({
  ...real,
  service: real.service.map((seconds) => seconds / (mean * perCore)),
  images: Number(values.images),
  shardSize,
  workers,
  startup: measured.startup,
  betweenFailures: Number(values.failures) * 3600,
  stragglers: { share: Number(values.stragglers), factor: 3 },
  imageBytes: Number(values["image-bytes"]),
  bandwidth: (Number(values.bandwidth) * 1e9) / 8,
});

interface Point extends Outcome {
  readonly workers: number;
  readonly shards: string;
}

const counts = Array.from({ length: 15 }, (_, power) => 2 ** power);

function points(shardSize: number): readonly Point[] {
  return counts.map((workers) => ({
    workers,
    shards: `${shardSize} images a shard`,
    ...simulate(cluster(workers, shardSize)),
  }));
}

function table(rows: readonly Point[]): void {
  console.log(
    "| workers | hours | images/s | efficiency | failures | tail, s | Redis busy |\n|---|---|---|---|---|---|---|",
  );
  for (const { workers, seconds, imagesPerSecond, efficiency, failures, tail, redisBusy } of rows) {
    const cells = [
      workers,
      (seconds / 3600).toFixed(2),
      imagesPerSecond.toFixed(0),
      `${(efficiency * 100).toFixed(1)} %`,
      failures,
      tail.toFixed(0),
      `${(redisBusy * 100).toFixed(3)} %`,
    ];
    console.log(`| ${cells.join(" | ")} |`);
  }
}

/** Images a second against workers, for three sizes of shards, with the line of perfect scaling. */
function chart(all: readonly Point[]): string {
  const { document } = parseHTML("<!doctype html><html><body></body></html>");
  const perfect = counts.map((workers) => ({ workers, imagesPerSecond: perCore * workers }));
  const line = { x: "workers", y: "imagesPerSecond", stroke: "shards", strokeWidth: 2 } as const;
  const drawn = Plot.plot({
    document,
    width: 760,
    height: 420,
    marginLeft: 64,
    marginBottom: 44,
    style: { background: "white", color: "#1f2328", fontFamily: "system-ui, sans-serif", fontSize: "12px" },
    x: { type: "log", base: 2, label: "workers, one core each →", tickFormat: (at: number) => `${at}` },
    y: { type: "log", label: "↑ images a second", grid: true },
    color: { legend: false, range: ["#0969da", "#bc4c00", "#1a7f37"] },
    marks: [
      Plot.lineY(perfect, { x: "workers", y: "imagesPerSecond", stroke: "#8c959f", strokeDasharray: "4 4" }),
      Plot.lineY(all, line),
      Plot.dot(all, { ...line, fill: "shards", r: 2.5 }),
      ...[...new Set(all.map(({ shards }) => shards))].map((shards, at) =>
        Plot.text([{ shards }], { frameAnchor: "top-left", dx: 12, dy: 12 + at * 18, text: "shards", fill: "shards" }),
      ),
    ],
  });
  drawn.setAttribute("xmlns", "http://www.w3.org/2000/svg");
  return `${drawn.outerHTML}\n`;
}

check();
const size = Number(values["shard-size"]);
const chosen = points(size);
console.log(`\n${values.images} images, ${values.model}, ${size} images a shard`);
table(chosen);
const others = [size / 8, size * 8].flatMap((each) => points(each));
writeFileSync(
  new URL("scale.svg", docs),
  chart([...others.slice(0, counts.length), ...chosen, ...others.slice(counts.length)]),
);
