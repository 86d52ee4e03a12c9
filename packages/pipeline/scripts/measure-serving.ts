/**
 * Measures what defaults of `openServing` depend on, with resnet18 or the given model on onnx:
 *
 *   ipc      the time of a run in a child process beside a run in this process
 *   workers  images a second and latency, by number of workers, threads and images of a batch
 *   replace  milliseconds from a worker's end to its first answer
 *
 *   node --conditions=@residual/source scripts/measure-serving.ts ipc|workers|replace [model]
 */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  bind,
  type Executable,
  fixtureInput,
  fixtureWeights,
  modelNameOf,
  resnet,
  select,
  variants,
} from "@residual/core";
import { onnx } from "@residual/onnx";
import { writeSafetensors } from "@residual/weights";
import { inChildProcess } from "../src/index.ts";
import { openServing } from "../src/serving/index.ts";

const [what, name = "resnet18"] = process.argv.slice(2);
const model = modelNameOf(name)!;
const open = resnet(variants[model], { input: ["N", 3, 224, 224], name: model });
const median = (values: readonly number[]) => values.toSorted((a, b) => a - b)[values.length >> 1]!;

async function timed(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await work();
  return performance.now() - start;
}

/** In alternating blocks: a change of the machine's speed hits both, and threads that spin after a run only one run. */
async function ipc(): Promise<void> {
  const graph = select(bind(open, fixtureWeights(open, "v1")), ["logits", "avgpool"]);
  await using here = await onnx().compile(graph);
  await using there = await inChildProcess("onnx").compile(graph);
  for (const batch of [1, 8]) {
    const image = fixtureInput("v1", [batch, 3, 224, 224]);
    const block = async (executable: Executable<"image">) => {
      const times: number[] = [];
      for (let run = 0; run < 12; run++) times.push(await timed(() => executable.run({ image })));
      return median(times.slice(2));
    };
    const pairs: [number, number][] = [];
    for (let index = 0; index < 15; index++) pairs.push([await block(here), await block(there)]);
    const [inHere, more] = [median(pairs.map(([a]) => a)), median(pairs.map(([a, b]) => b - a))];
    const share = ((100 * more) / inHere).toFixed(1);
    console.log(`batch ${batch}: here ${inHere.toFixed(2)} ms, in the child ${more.toFixed(2)} ms more (${share} %)`);
  }
}

/** A closed loop of single images, as many at a time as fill two batches for each worker; then one at a time. */
async function workers(): Promise<void> {
  const image = fixtureInput("v1", [1, 3, 224, 224]);
  for (const [count, threads] of [
    [1, 2],
    [2, 1],
    [2, 2],
    [1, 1],
  ] as const)
    for (const maxBatch of [1, 2, 4, 8, 16]) {
      await using serving = await openServing({ backend: "onnx", workers: count, threads, maxBatch });
      const served = await serving.load("m", { model, weights });
      const latencies: number[] = [];
      const loop = async (end: number) => {
        while (performance.now() < end) latencies.push(await timed(() => served.infer(image)));
      };
      await Promise.all(Array.from({ length: 2 * maxBatch * count }, () => loop(performance.now() + 1000)));
      latencies.splice(0);
      const start = performance.now();
      await Promise.all(Array.from({ length: 2 * maxBatch * count }, () => loop(start + 4000)));
      const rate = (1000 * latencies.length) / (performance.now() - start);
      const loaded = median(latencies.splice(0));
      await loop(performance.now() + 1000);
      const { perItem, perBatch } = served.queue.cost;
      console.log(
        `${count} × ${threads} threads, batch ${maxBatch}: ${rate.toFixed(1)} images/s, median ${loaded.toFixed(0)} ms; ` +
          `alone ${median(latencies).toFixed(1)} ms; cost ${perItem.toFixed(2)} n + ${perBatch.toFixed(2)} ms`,
      );
    }
}

/** The time without an answer after each of some ends of the only worker. */
async function replace(): Promise<void> {
  const image = fixtureInput("v1", [1, 3, 224, 224]);
  await using serving = await openServing({ backend: "onnx", workers: 1 });
  const served = await serving.load("m", { model, weights });
  await served.infer(image);
  for (let end = 0; end < 5; end++) {
    const child = childrenOf(process.pid).at(-1)!;
    const start = performance.now();
    process.kill(child, "SIGKILL");
    const failed = await served.infer(image).then(
      () => "answered",
      (error: Error) => error.name,
    );
    const first = await timed(() => served.infer(image));
    console.log(
      `${failed}, then answered ${(performance.now() - start).toFixed(0)} ms after the end (${first.toFixed(0)})`,
    );
  }
}

function childrenOf(pid: number): readonly number[] {
  return readdirSync(`/proc/${pid}/task`).flatMap((task) =>
    readFileSync(`/proc/${pid}/task/${task}/children`, "utf8").split(" ").filter(Boolean).map(Number),
  );
}

const folder = mkdtempSync(join(tmpdir(), "residual-serving-"));
const weights = join(folder, "weights.safetensors");
try {
  await writeSafetensors(weights, fixtureWeights(open, "v1").tensors);
  await { ipc, workers, replace }[what as "ipc"]();
} finally {
  rmSync(folder, { recursive: true });
}
