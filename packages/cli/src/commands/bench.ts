import { join } from "node:path";
import { bind, constantsOf, fixtureWeights, formatShape } from "@residual/core";
import { temporaryFolder } from "@residual/kit/files";
import { writeOnnx } from "@residual/onnx";
import { checkBackend, checkLogits, chooseBackend } from "@residual/pipeline";
import { writeSafetensors } from "@residual/weights";
import { type Command, InvalidArgumentError, Option } from "commander";
import { type LayerCost, timeLayers } from "../bench/layers.ts";
import { type Measurement, measure } from "../bench/measure.ts";
import { peers, peersOf } from "../bench/peers/index.ts";
import type { Task } from "../bench/protocol.ts";
import { benchScenario, type ScenarioOptions } from "../bench/scenarios/command.ts";
import type { Scenario } from "../bench/scenarios/result.ts";
import { type Context, command, positive, threadsOption } from "../command.ts";
import { checkMemory } from "../memory.ts";
import { modelNamed, oneOf, specNamed } from "../names.ts";
import { shorten } from "../printable.ts";
import { bold, type Output, paragraphs, progressBar, remarkInLines, say, table } from "../terminal.ts";

interface Options extends Output {
  readonly backends: string;
  readonly batch?: number;
  readonly size?: number;
  readonly rounds: number;
  readonly times: number;
  readonly loads: number;
  readonly threads?: number;
  readonly peers?: true | string;
  readonly layers?: true;
  readonly scenario?: Scenario;
}

/** Measures backends in turn with each other and with other libraries on the same network. */
export function benchCommand({ signal }: Context): Command {
  return command("bench", "measure backends in turn: load, first run, latency, memory", [
    "bench resnet50 --peers",
    "bench resnet18 --scenario server --duration 60",
  ])
    .argument("[model...]", "resnet18, resnet50 and resnext50_32x4d where none is given")
    .option("--backends <names>", "as onnx,reference,./mine.ts", "onnx")
    .option("--batch <n>", "images of one run, 1 where not given; with --scenario the most of a batch", positive)
    .option("--size <pixels>", "side of the images; the model's own where not given", positive)
    .option("--rounds <n>", "rounds of each candidate", positive, 11)
    .option("--times <n>", "runs per round", positive, 3)
    .option("--loads <n>", "loads of each candidate", positive, 5)
    .option("--peers [names]", "measure other libraries on the same network too: all, or those named")
    .option("--layers", "time each layer alone")
    .addOption(threadsOption())
    .optionsGroup("MLPerf Inference's scenarios, through the server's scheduler:")
    .addOption(scenarioOption())
    .option("--duration <s>", "least seconds of a run; MLPerf's rules ask for 600", positive, 20)
    .option("--queries <n>", "least queries of a run; MLPerf's own where not given", positive)
    .option("--workers <n>", "processes that run the model", positive, 1)
    .option("--qps <n>", "server: queries a second; the most that keep the bound where not given", aboveZero)
    .option("--latency <ms>", "server: bound of the 99th percentile; 3 batch times where not given", aboveZero)
    .action(async (models: string[], options: Options & Omit<ScenarioOptions, "scenario">) => {
      const { scenario } = options;
      if (scenario) return benchScenario(models, { ...options, scenario }, signal);
      if (options.layers) return benchLayers(models, options, signal);
      const candidates = options.backends.split(",");
      for (const name of candidates) await checkBackend(name);
      if (options.peers === true) candidates.push(...candidates.flatMap((name) => peersOf[name] ?? []));
      else if (options.peers)
        candidates.push(...options.peers.split(",").map((name) => oneOf(name, Object.keys(peers), "peer")));
      const names = models.length > 0 ? models : ["resnet18", "resnet50", "resnext50_32x4d"];
      for (const name of names) checkLogits(modelNamed(name));
      const bar = progressBar();
      const measured: Measurement[] = [];
      try {
        for (const [done, model] of names.entries()) {
          bar.onProgress({ stage: "bench", done, total: names.length });
          measured.push(...(await measureModel(model, candidates, options, signal)));
        }
      } finally {
        bar.end();
      }
      say(options, measured, () => words(measured));
    });
}

function scenarioOption(): Option {
  const scenarios = ["server", "offline", "single", "multi"] as const;
  return new Option("--scenario <name>", scenarios.join(", "))
    .argParser((name) => oneOf(name, scenarios, "scenario"))
    .conflicts(["peers", "layers", "size"]);
}

/** A number above 0. */
function aboveZero(text: string): number {
  const value = Number(text);
  if (Number.isFinite(value) && value > 0) return value;
  throw new InvalidArgumentError("expected a number above 0");
}

/** Each model's layers on each backend, slowest first in the table. */
async function benchLayers(models: readonly string[], options: Options, signal: Context["signal"]): Promise<void> {
  const bar = progressBar();
  const measured: { model: string; backend: string; batch: number; layers: readonly LayerCost[] }[] = [];
  try {
    for (const model of models.length > 0 ? models : ["resnet50"]) {
      const { size: own = 224, inputChannels = 3 } = specNamed(model);
      const size = options.size ?? own;
      const { batch = 1 } = options;
      const open = modelNamed(model, [batch, inputChannels, size, size]);
      checkMemory(open, "give a smaller --batch or --size");
      for (const name of options.backends.split(",")) {
        await checkBackend(name);
        const { backend } = await chooseBackend(name, { ...options, onWarning: remarkInLines });
        const onLayer = (done: number, total: number) => bar.onProgress({ stage: `${model} on ${name}`, done, total });
        const layers = await timeLayers(backend, open, { times: 3 * options.times, signal, onLayer });
        measured.push({ model, backend: name, batch, layers });
      }
    }
  } finally {
    bar.end();
  }
  say(options, measured, () => paragraphs(measured.map(layerWords)));
}

function layerWords({
  model,
  backend,
  layers,
}: {
  model: string;
  backend: string;
  layers: readonly LayerCost[];
}): readonly string[] {
  const total = layers.reduce((sum, { ms }) => sum + ms, 0);
  const rows = layers
    .toSorted((a, b) => b.ms - a.ms)
    .map(({ name, op, shape, macs, ms }) => [
      name,
      op,
      formatShape(shape),
      ms.toFixed(2),
      `${((100 * ms) / total).toFixed(1)} %`,
      macs > 0 ? (macs / ms / 1e6).toFixed(1) : "",
    ]);
  const time = `${total.toFixed(1)} ms over ${layers.length} layers, each alone`;
  const heading = `${model} on ${backend}: ${time}; 10⁹/s of multiply-adds`;
  return [heading, "", ...table(["layer", "op", "output", "ms", "share", "10⁹/s"], rows)];
}

/** The network with the fixture's weights, written once for all candidates into a temporary folder. */
async function measureModel(
  model: string,
  candidates: readonly string[],
  { batch = 1, size: asked, rounds, times, loads, threads }: Options,
  signal: Context["signal"],
): Promise<Measurement[]> {
  await using folder = await temporaryFolder("bench");
  const { size: own = 224, inputChannels = 3 } = specNamed(model);
  const size = asked ?? own;
  const input = [batch, inputChannels, size, size];
  const open = modelNamed(model, input);
  checkMemory(open, "give a smaller --batch or --size");
  const graph = bind(open, fixtureWeights(open, "v1"));
  const files = { safetensors: join(folder.path, "weights.safetensors"), onnx: join(folder.path, "model.onnx") };
  await writeSafetensors(
    files.safetensors,
    new Map(constantsOf(graph).map(({ name, source }) => [name, source])),
    {},
    { signal },
  );
  await writeOnnx(graph, files.onnx, { signal });
  const tasks = candidates.map((candidate): Task => ({ candidate, model, files, input, threads }));
  return await measure(tasks, { rounds, times, loads }, signal);
}

/** A table of times for each model, and one of memory and ratios. */
function words(measured: readonly Measurement[]): readonly string[] {
  const headingOf = ({ model, batch }: Measurement) => `${model}, batch ${batch}`;
  const tables = [...new Set(measured.map(headingOf))].flatMap((heading) => {
    const rows = measured.filter((row) => headingOf(row) === heading);
    return [[bold(heading), "", ...timesOf(rows)], ratiosOf(rows)];
  });
  return [
    ...paragraphs(tables),
    "",
    "ratio, CPU, start, memory: the first candidate's over this one's, of a run, its",
    "CPU time, load to first answer, peak memory; above 1 this one needs less",
  ];
}

const nameOf = ({ candidate }: Measurement): string => shorten(candidate, 30);

function timesOf(measured: readonly Measurement[]): readonly string[] {
  const ms = (value: number) => value.toFixed(value < 100 ? 2 : 0);
  const rows = measured.map((row) => [
    nameOf(row),
    ms(row.load.wall),
    ms(row.first.wall),
    ms(row.median.wall),
    ms(row.p95.wall),
    ms(row.median.cpu),
    row.imagesPerSecond.toFixed(1),
  ]);
  return table(["ms", "load", "first", "median", "p95", "CPU", "images/s"], rows);
}

function ratiosOf(measured: readonly Measurement[]): readonly string[] {
  const rows = measured.map((row) => [
    nameOf(row),
    `${Math.round(row.peakMemory / 2 ** 20)} MiB`,
    row.ratio.wall.toFixed(3),
    row.ratio.cpu.toFixed(3),
    row.startRatio.wall.toFixed(3),
    row.memoryRatio.toFixed(3),
    row.difference.toExponential(1),
  ]);
  return table(["", "peak", "ratio", "CPU", "start", "memory", "differs"], rows);
}
