/**
 * Simulates the scheduler on a virtual clock, with Poisson arrivals of single images at one worker whose batches take
 * a·n + b ms. For each cost and load it prints the mean and the 99th percentile of the latency, in ms:
 *
 *   scheduler  starts a batch whenever the worker is idle
 *   one step   waits for the next image if b > (n + 1)·g + n·a, which compares with an image that runs alone later
 *   delay      waits for a full batch, but at most 5 ms, as servers with a fixed delay do
 *
 *   node --conditions=@residual/source scripts/simulate-scheduler.ts
 */
import { Scheduler } from "../src/serving/index.ts";
import { VirtualClock } from "../src/testing/virtual-clock.ts";

const MAX_BATCH = 8;
const IMAGES = 20_000;
const DELAY = 5;

interface Cost {
  readonly name: string;
  readonly perItem: number;
  readonly perBatch: number;
}

const costs: readonly Cost[] = [
  { name: "resnet18, two cores", perItem: 8.2, perBatch: 1.3 },
  { name: "a quick GPU", perItem: 0.1, perBatch: 1 },
  { name: "a GPU behind a slow link", perItem: 0.2, perBatch: 10 },
];

/** Times of arrival, in ms, of a seeded Poisson process with this mean gap. */
function arrivals(gap: number): readonly number[] {
  let [state, time] = [1, 0];
  return Array.from({ length: IMAGES }, () => {
    state = (state * 48271) % (2 ** 31 - 1); // Park and Miller's minimal standard
    time -= gap * Math.log(state / (2 ** 31 - 1));
    return time;
  });
}

async function scheduled({ perItem, perBatch }: Cost, times: readonly number[]): Promise<readonly number[]> {
  const clock = new VirtualClock();
  const latencies: number[] = [];
  const queue = new Scheduler({ workers: 1, clock }).queue<number, number>({
    name: "m",
    maxBatch: MAX_BATCH,
    maxWaiting: IMAGES,
    async run(items) {
      await clock.sleep(perItem * items.length + perBatch);
      for (const arrived of items) latencies.push(clock.now() - arrived);
      return items;
    },
  });
  const arrive = (index: number) => {
    void queue.submit([times[index]!]);
    if (index + 1 < times.length) clock.after(times[index + 1]! - clock.now(), () => arrive(index + 1));
  };
  clock.after(times[0]!, () => arrive(0));
  await clock.run();
  return latencies;
}

/** When a batch starts, given the first image that waits and the time from which the worker is idle. */
type Rule = (first: number, idle: number) => number;

function simulated({ perItem, perBatch }: Cost, times: readonly number[], startOf: Rule): readonly number[] {
  const latencies: number[] = [];
  let idle = 0;
  for (let first = 0; first < times.length; ) {
    const start = startOf(first, Math.max(idle, times[first]!));
    let end = first;
    while (end < times.length && end - first < MAX_BATCH && times[end]! <= start) end++;
    idle = start + perItem * (end - first) + perBatch;
    for (; first < end; first++) latencies.push(idle - times[first]!);
  }
  return latencies;
}

/** Waits for one more image at a time, each for at most the mean gap, which this rule knows exactly. */
function oneStep({ perItem, perBatch }: Cost, times: readonly number[], gap: number): Rule {
  return (first, idle) => {
    let [start, waiting] = [idle, 1];
    for (; waiting < MAX_BATCH; waiting++) {
      const next = times[first + waiting] ?? Number.POSITIVE_INFINITY;
      if (next <= start) continue;
      if (perBatch <= (waiting + 1) * gap + waiting * perItem) return start;
      if (next > start + gap) return start + gap;
      start = next;
    }
    return start;
  };
}

function fixedDelay(times: readonly number[]): Rule {
  return (first, idle) => {
    const full = times[first + MAX_BATCH - 1] ?? Number.POSITIVE_INFINITY;
    return Math.max(idle, Math.min(times[first]! + DELAY, full));
  };
}

function summary(latencies: readonly number[]): string {
  const sorted = latencies.toSorted((a, b) => a - b);
  const mean = sorted.reduce((sum, each) => sum + each, 0) / sorted.length;
  return `${mean.toFixed(2)} | ${sorted[Math.floor(0.99 * sorted.length)]!.toFixed(1)}`;
}

console.log("| cost, ms | load | scheduler: mean | p99 | one step: mean | p99 | 5 ms delay: mean | p99 |");
console.log("|---|---|---|---|---|---|---|---|");
for (const cost of costs)
  for (const load of [0.2, 0.5, 0.8, 0.95]) {
    const gap = (cost.perItem * MAX_BATCH + cost.perBatch) / MAX_BATCH / load;
    const times = arrivals(gap);
    const columns = [
      `${cost.name}: ${cost.perItem} n + ${cost.perBatch}`,
      `${Math.round(100 * load)} %`,
      summary(await scheduled(cost, times)),
      summary(simulated(cost, times, oneStep(cost, times, gap))),
      summary(simulated(cost, times, fixedDelay(times))),
    ];
    console.log(`| ${columns.join(" | ")} |`);
  }
