/**
 * Offered load against the 99th percentile of latency, for three ways to batch: the server's scheduler, a fixed delay
 * as in most servers, and a queue that runs one image at a time. Draws docs/serving-load-*.svg.
 *
 *   node scripts/load-plot/index.ts                        about five minutes on two cores
 *   node scripts/load-plot/index.ts --shares 0.5,0.9 --seconds 4
 *   node scripts/load-plot/index.ts --draw                 the charts anew, from docs/serving-load.json
 *
 * All three run batches in the same child process. Loads are shares of what the scheduler reaches in MLPerf's Offline
 * scenario; arrivals are those of its Server scenario. Two more panels are simulated, with the costs of the two cores,
 * and of a device on which the fixed cost of a batch equals that of eight images.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { poissonArrivals } from "../../packages/cli/src/bench/scenarios/arrivals.ts";
import { runOffline, runServer } from "../../packages/cli/src/bench/scenarios/load-generator.ts";
import { judge } from "../../packages/cli/src/bench/scenarios/result.ts";
import { VirtualClock } from "../../packages/cli/src/bench/scenarios/testing/virtual-clock.ts";
import {
  bind,
  fixtureInput,
  fixtureWeights,
  resnet,
  select,
  type Tensor,
  variants,
} from "../../packages/core/src/index.ts";
import { inChildProcess } from "../../packages/pipeline/src/index.ts";
import { type Clock, Scheduler, systemClock } from "../../packages/pipeline/src/serving/index.ts";
import { stack } from "../../packages/vision/src/index.ts";
import { type BatcherName, batchers, chart, type Point } from "./chart.ts";
import { FixedDelay } from "./fixed-delay.ts";

const { values } = parseArgs({
  options: {
    shares: { type: "string", default: "0.2,0.4,0.6,0.7,0.8,0.85,0.9,0.95" }, // of the measurement
    seconds: { type: "string", default: "10" },
    draw: { type: "boolean", default: false },
  },
});

/** Milliseconds. */
const DELAY = 5;
const SIMULATED_SHARES = [0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.95];

/** A batcher whose 99th percentile is above this falls behind; its run ends. Milliseconds. */
const HOPELESS = 5000;

interface Machine {
  readonly panel: string;
  readonly maxBatch: number;
}

/** The server's batches for resnet18. */
const cores: Machine = { panel: "measured: resnet18, onnx, 2 cores", maxBatch: 8 };

/** Milliseconds of an image and of a batch: those two cores without other work, and a device that needs batches. */
const simulations = [
  { panel: "simulated: 8.2 n + 1.3 ms", maxBatch: 8, perItem: 8.2, perBatch: 1.3 },
  { panel: "simulated: 0.5 n + 4 ms", maxBatch: 32, perItem: 0.5, perBatch: 4 },
];

const root = new URL("../../", import.meta.url);
const file = new URL("docs/serving-load.json", root);
const signal = new AbortController().signal;

type Image = Tensor<"float32">;
type Run = (images: readonly Image[]) => Promise<unknown>;

/** The way of a query to its answer, for each batcher over the same runs. */
function batchersOver(
  run: Run,
  clock: Clock,
  most: number,
): Readonly<Record<BatcherName, (image: Image) => Promise<unknown>>> {
  const answers = async (images: readonly Image[]) => {
    await run(images);
    return images.map(() => true as const);
  };
  const scheduled = (maxBatch: number) => {
    const limits = { name: `batches of ${maxBatch}`, maxBatch, maxWaiting: Number.MAX_SAFE_INTEGER };
    const queue = new Scheduler({ workers: 1, clock }).queue<Image, true>({ ...limits, run: answers });
    return (image: Image) => queue.submit([image]);
  };
  const delayed = new FixedDelay<Image>(clock, DELAY, most, run);
  return {
    "learned costs": scheduled(most),
    "fixed delay of 5 ms": (image) => delayed.submit(image),
    "plain queue": scheduled(1),
  };
}

/** All batchers at one load before the next load, so that changes of the machine's speed affect all. */
async function measure(
  { panel, maxBatch }: Machine,
  run: Run,
  clock: Clock,
  { shares, seconds }: { readonly shares: readonly number[]; readonly seconds: number },
): Promise<readonly Point[]> {
  const images = Array.from({ length: 8 }, (_, index) => fixtureInput(`load ${index}`, [1, 3, 224, 224]));
  let next = 0;
  const ways = batchersOver(run, clock, maxBatch);
  const systemOf = (name: BatcherName) => ({ issue: () => ways[name](images[next++ % images.length]!) });
  const options = { clock, signal };
  const offline = async (batches: number) => {
    const samples = batches * maxBatch;
    return (1e3 * samples) / (await runOffline(systemOf("learned costs"), samples, options)).lastAnswered;
  };
  await offline(4);
  const perSecond = await offline(20);
  console.error(`${panel}: Offline ${perSecond.toFixed(1)} samples/s`);
  const points: Point[] = [];
  for (const share of shares) {
    for (const batcher of batchers) {
      const load = { qps: share * perSecond, duration: 1e3 * seconds, queries: 1 };
      const arrivals = poissonArrivals(load);
      const giveUp = { bound: HOPELESS, most: arrivals.length / 100 };
      const answered = await runServer(systemOf(batcher), arrivals, { ...options, giveUp });
      const { latency } = judge(answered, { scenario: "server", percentile: 0.99, ...load });
      points.push({ panel, batcher, share, p99: latency.p99 });
      console.error(`${share.toFixed(2)} of Offline, ${batcher}: p99 ${latency.p99.toFixed(1)} ms`);
    }
  }
  return points;
}

async function measured(): Promise<readonly Point[]> {
  const open = resnet(variants.resnet18, { input: ["N", 3, 224, 224], name: "resnet18" });
  const graph = select(bind(open, fixtureWeights(open, "v1")), ["logits", "avgpool"]);
  await using executable = await inChildProcess("onnx").compile(graph);
  const run: Run = (images) => executable.run({ image: stack(images) });
  return await measure(cores, run, systemClock, {
    shares: values.shares.split(",").map(Number),
    seconds: Number(values.seconds),
  });
}

async function simulated(): Promise<readonly Point[]> {
  const points: Point[] = [];
  for (const { perItem, perBatch, ...machine } of simulations) {
    const clock = new VirtualClock();
    const run: Run = ({ length }) => new Promise<void>((done) => clock.after(perItem * length + perBatch, done));
    points.push(...(await clock.run(measure(machine, run, clock, { shares: SIMULATED_SHARES, seconds: 60 }))));
  }
  return points;
}

if (!values.draw) writeFileSync(file, `${JSON.stringify(await measured(), undefined, 1)}\n`);
const points = [...(JSON.parse(readFileSync(file, "utf8")) as readonly Point[]), ...(await simulated())];
for (const theme of ["light", "dark"] as const)
  writeFileSync(new URL(`docs/serving-load-${theme}.svg`, root), chart(points, theme));
