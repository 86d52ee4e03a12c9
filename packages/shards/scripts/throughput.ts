/**
 * Pictures a second of warm workers, from JPEG files on disk to a written shard, against the backend alone on tensors
 * in memory: interleaved, on the same cores, with the same batch.
 *
 *   node --conditions=@residual/source scripts/throughput.ts [MODEL [BACKEND [WIDTHxHEIGHT [PICTURES [ROUNDS]]]]]
 *
 * The backend alone is the faster of one process with a thread per core and one process per core with one thread. One
 * worker has one core.
 *
 * Processor time by stage: reading, decoding, resizing and normalizing in this process, one picture at a time; the run
 * of the model as the backend alone has it; the rest is what is left of the workers' time.
 */
import { type ChildProcess, execFileSync, fork } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { availableParallelism, cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { decodeImage, encodeImage, preprocess, resample } from "@residual/vision";
import { type Job, prepareJob, ShardWorkers } from "../src/index.ts";
import { itemsOf } from "../src/job.ts";
import { readPicture } from "../src/shard/read-picture.ts";

const [model = "resnet18", backend = "auto", size = "500x375", pictures = "256", rounds = "7"] = process.argv.slice(2);
const [width, height] = size.split("x").map(Number) as [number, number];
const count = Number(pictures);
const cores = availableParallelism();
const folder = await mkdtemp(join(tmpdir(), "residual-throughput-"));

/** JPEG files of a part of a photo each, so that no two are alike. */
async function makePictures(): Promise<void> {
  await mkdir(join(folder, "photos"));
  const photo = await decodeImage(fileURLToPath(new URL("../../../photos/coffee.png", import.meta.url)));
  const whole = { width: width + 256, height: height + 256 };
  for (let at = 0; at < count; at++) {
    const window = { left: at % 256, top: (at * 7) % 256, width, height };
    const { data } = resample(photo, whole, "bicubic", window);
    const rgba = new Uint8Array(width * height * 4).fill(255);
    for (let i = 0; i < width * height; i++) rgba.set(data.subarray(3 * i, 3 * i + 3), 4 * i);
    await writeFile(join(folder, "photos", `${at}.jpg`), await encodeImage({ width, height, data: rgba }, "jpeg"));
  }
}

/** Milliseconds of processor time that a picture takes in one stage, after a round to warm up. */
async function stageMs<In, Out>(inputs: readonly In[], work: (input: In) => Out | Promise<Out>) {
  for (const input of inputs) await work(input);
  const outputs: Out[] = [];
  const before = process.cpuUsage();
  for (const input of inputs) outputs.push(await work(input));
  const { user, system } = process.cpuUsage(before);
  return { ms: (user + system) / 1000 / inputs.length, outputs };
}

/** The stages of a picture without the model, one at a time. */
async function pictureMs(job: Job) {
  const { preprocessing } = job.manifest;
  const read = await stageMs(await itemsOf(job, 0), (item) => readPicture(item, job.manifest));
  const decode = await stageMs(read.outputs, (bytes) => decodeImage(bytes));
  const crop = await stageMs(decode.outputs, (pixels) => preprocess(pixels, preprocessing).shape);
  return { read: read.ms, decode: decode.ms, crop: crop.ms };
}

/** Pictures a second of `processes` that run the model alone. */
async function openAlone(job: Job, processes: number, threads: number) {
  const program = fileURLToPath(new URL("backend-alone.ts", import.meta.url));
  const start = () => fork(program, [job.out, String(threads)], { execArgv: ["--conditions=@residual/source"] });
  const children = Array.from({ length: processes }, start);
  await Promise.all(children.map((child) => once(child, "message")));
  const runs = Math.ceil(count / processes / job.manifest.batch);
  const rate = () => ratePerSecond(processes * runs * job.manifest.batch, () => Promise.all(children.map(tell(runs))));
  return { rate, close: () => children.map((child) => child.disconnect()) };
}

const tell = (runs: number) => async (child: ChildProcess) => {
  const done = once(child, "message");
  child.send(runs);
  await done;
};

async function ratePerSecond(images: number, work: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await work();
  return (images * 1000) / (performance.now() - start);
}

/** Pictures a second of warm workers that share a job's shards. */
async function openBulk(job: Job, processes: number) {
  const workers = new ShardWorkers(job, processes);
  const all = Array.from({ length: job.manifest.shards }, (_, shard) => shard);
  const run = () => Promise.all(all.map((shard) => workers.run(shard)));
  await run();
  if (processes === 1) pinWorkers(job);
  return { rate: () => ratePerSecond(job.manifest.images, run), close: () => workers[Symbol.asyncDispose]() };
}

/** Gives the workers that run now one core, which has to decode as well (Linux). */
function pinWorkers({ out }: Job): void {
  const lines = execFileSync("ps", ["-A", "-o", "pid=,args="], { encoding: "utf8" }).split("\n");
  const workers = lines.filter((line) => line.includes("worker.ts") && line.includes(out));
  for (const line of workers) execFileSync("taskset", ["-acp", "0", line.trim().split(" ")[0]!]);
}

const median = (values: readonly number[]) => values.toSorted((a, b) => a - b)[values.length >> 1]!;

try {
  await makePictures();
  const weights = model === "cifar_resnet20" ? undefined : "fixture:v1";
  const options = { model, weights, backend, shardSize: Math.ceil(count / cores) };
  const job = await prepareJob({ ...options, input: [join(folder, "photos")], out: join(folder, "out") });
  const { read, decode, crop } = await pictureMs(job);
  const runners = {
    threads: await openAlone(job, 1, cores),
    processes: await openAlone(job, cores, 1),
    one: await openBulk(job, 1),
    all: await openBulk(job, cores),
  };
  const rates: { [name in keyof typeof runners]: number[] } = { threads: [], processes: [], one: [], all: [] };
  const names = Object.keys(runners) as (keyof typeof runners)[];
  for (let round = 0; round < Number(rounds); round++)
    for (const name of names) rates[name].push(await runners[name].rate());
  for (const name of names) await runners[name].close();
  const share = median(rates.all.map((rate, at) => rate / Math.max(rates.threads[at]!, rates.processes[at]!)));
  const scaling = median(rates.all.map((rate, at) => rate / rates.one[at]!));
  console.log(
    `${model} on ${job.manifest.backend}, batches of ${job.manifest.batch}, ${count} JPEGs of ${size}; ${cores} × ${cpus()[0]?.model}`,
  );
  for (const name of names) console.log(`${name.padEnd(9)} ${median(rates[name]).toFixed(1)} images/s`);
  const run = (cores * 1000) / Math.max(median(rates.threads), median(rates.processes));
  const rest = (cores * 1000) / median(rates.all) - run - read - decode - crop;
  const stages = Object.entries({ read, decode, "resize and normalize": crop, run, rest });
  console.log(`ms a picture and core: ${stages.map(([stage, ms]) => `${stage} ${ms.toFixed(3)}`).join(", ")}`);
  console.log(`limit of the share, without the rest: ${(run / (run + read + decode + crop)).toFixed(3)}`);
  console.log(`bulk against the backend alone: ${share.toFixed(3)}; ${cores} workers against 1: ${scaling.toFixed(2)}`);
} finally {
  await rm(folder, { recursive: true });
}
