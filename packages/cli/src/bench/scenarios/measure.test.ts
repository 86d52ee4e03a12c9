import { expect, it } from "vitest";
import { type BatchingSystem, measureScenario } from "./measure.ts";
import { simulatedSystem } from "./testing/simulated-system.ts";
import { VirtualClock } from "./testing/virtual-clock.ts";
import { reportWords } from "./words.ts";

/** A batch of n takes 9·n + 8 ms: 80 ms for 8 images, 100 images a second. */
function machine(): { readonly clock: VirtualClock; readonly system: BatchingSystem } {
  const clock = new VirtualClock();
  return { clock, system: simulatedSystem(clock, { perItem: 9, perBatch: 8, most: 8 }) };
}

const signal = new AbortController().signal;

it("holds the Server scenario to 3 times of the full batches in Offline, and divides by Offline", async () => {
  const { clock, system } = machine();
  const stages = new Set<string>();
  const onProgress = ({ stage }: { readonly stage: string }) => stages.add(stage);
  const options = { clock, signal, onProgress };
  const { result, server } = await clock.run(measureScenario(system, "server", { duration: 60_000 }, options));
  expect([...stages]).toEqual(["warm-up", "Offline", "Server", "Offline again"]);
  expect(server!.offline.map(({ completedPerSecond }) => completedPerSecond)).toEqual([100, 100]);
  expect(server!.batchTime).toMatchObject({ images: 8, ms: 80 });
  expect(result).toMatchObject({ valid: true, bound: 240, minDuration: 60_000 });
  expect(result.duration).toBeGreaterThanOrEqual(60_000);
  expect(server!.share).toBeCloseTo(result.completedPerSecond / 100, 9);
  expect(server!.trials.at(-1)).toEqual(result);
});

it("runs a fixed load once, against a fixed bound", async () => {
  const { clock, system } = machine();
  const given = { duration: 10_000, qps: 50, bound: 400 };
  const { result, server } = await clock.run(measureScenario(system, "server", given, { clock, signal }));
  expect(result).toMatchObject({ valid: true, bound: 400 });
  expect(server!.trials).toEqual([result]);
});

it("keeps to the percentiles and samples of MLPerf's other scenarios", async () => {
  for (const [scenario, expected] of [
    ["single", { queries: 119, samples: 119, percentile: 0.9, earlyStoppingEstimate: 17 }],
    ["multi", { queries: 662, samples: 5296, percentile: 0.99, earlyStoppingEstimate: 80 }],
    ["offline", { percentile: undefined, completedPerSecond: 100, earlyStoppingEstimate: undefined }],
  ] as const) {
    const { clock, system } = machine();
    const { result } = await clock.run(measureScenario(system, scenario, { duration: 2000 }, { clock, signal }));
    expect(result).toMatchObject({ scenario, valid: true, ...expected });
  }
});

it("is said in words of at most 80 columns", async () => {
  const { clock, system } = machine();
  const measured = await clock.run(measureScenario(system, "server", { duration: 20_000 }, { clock, signal }));
  const backend = { name: "onnx", library: "onnxruntime-node", version: "1.30.0", device: "cpu" };
  const report = { model: "resnet18", scenario: "server", backend, workers: 1, maxBatch: 8, ...measured } as const;
  const lines = reportWords(report);
  expect(lines[0]).toContain("resnet18, MLPerf's Server scenario");
  expect(lines.slice(1, 7)).toEqual([
    "onnx (onnxruntime-node 1.30.0, cpu), 1 worker, batches of up to 8",
    "",
    "Offline      100.0 samples/s before, 100.0 samples/s after",
    expect.stringMatching(/^batch time {3}80\.00 ms: 8 images, median of \d+ such batches in Offline$/) as string,
    "bound        p99 of 240.0 ms, 3.00 batch times",
    expect.stringMatching(/^share {8}0\.\d{3} of the faster Offline$/) as string,
  ]);
  expect(lines.at(-1)).toBe("A run takes at least 20.0 s here; MLPerf's rules: --duration 600.");
  for (const line of lines) expect(line.length, line).toBeLessThanOrEqual(80);
});
