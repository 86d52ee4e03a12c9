/**
 * Times a training step of CIFAR's ResNet-20 (SGD with momentum and weight decay) on onnx and in PyTorch, in turn, and
 * measures the memory that two steps take in processes of their own. Prints medians, and ratios to PyTorch.
 *
 *   node --conditions=@residual/source scripts/training-step.ts [--python python3]
 *     [--batch 128] [--size 32] [--threads 1] [--rounds 9] [--json]
 *
 * in packages/onnx. PyTorch's side is training_step.py. `--growth 2000` makes steps on onnx alone, and prints the
 * memory of the process as they go on.
 */
import { type ChildProcess, fork, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { parseArgs } from "node:util";
import {
  fixtureInput,
  fixtureWeights,
  resnet,
  sgd,
  tensor,
  tensorOf,
  trainable,
  trainingStep,
  variants,
} from "@residual/core";
import { onnx } from "@residual/onnx";

const { values } = parseArgs({
  options: {
    batch: { type: "string", default: "128" },
    size: { type: "string", default: "32" },
    threads: { type: "string", default: "1" },
    rounds: { type: "string", default: "9" },
    python: { type: "string", default: "python3" },
    growth: { type: "string" },
    json: { type: "boolean", default: false },
  },
});
const { batch, size, threads, rounds } = {
  batch: Number(values.batch),
  size: Number(values.size),
  threads: Number(values.threads),
  rounds: Number(values.rounds),
};

interface Timed {
  readonly wall: number;
  readonly cpu: number;
  readonly loss: number;
}

/** A step on onnx, timed in seconds. */
async function openOnnx(): Promise<{ step(): Promise<Timed>; close(): Promise<void> }> {
  const open = resnet(variants.cifar_resnet20, { input: [batch, 3, size, size] });
  const net = trainable(open, { weights: fixtureWeights(open, "v1") });
  const optimizer = sgd({ momentum: 0.9, weightDecay: 1e-4, coupled: true, decayAll: true });
  const executable = await onnx({ threads }).compile(trainingStep(net, { loss: "crossEntropy", optimizer }));
  const hot = Float32Array.from({ length: batch * 10 }, (_, i) => Number(i % 10 === Math.floor(i / 10) % 10));
  const given = {
    image: fixtureInput("v1", [batch, 3, size, size]),
    target: tensorOf("float32", [batch, 10], hot),
    learningRate: tensor([], [0.1]),
  };
  return {
    async step() {
      const [start, before] = [performance.now(), process.cpuUsage()];
      const { loss } = await executable.run(given);
      const { user, system } = process.cpuUsage(before);
      return { wall: (performance.now() - start) / 1e3, cpu: (user + system) / 1e6, loss: loss.data[0]! };
    },
    close: () => executable.dispose(),
  };
}

/** PyTorch in a process: `ask` writes a line, and reads a line of JSON. */
async function openTorch() {
  const script = `${import.meta.dirname}/training_step.py`;
  const child = spawn(values.python, [script, ...[batch, size, threads].map(String)], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  const lines = createInterface(child.stdout)[Symbol.asyncIterator]();
  const read = async () => {
    const { value, done } = await lines.next();
    if (done) throw new Error(`${values.python} ended: is PyTorch installed there? Give another by --python`);
    return JSON.parse(value) as unknown;
  };
  const { version } = (await read()) as { readonly version: string };
  return {
    version,
    ask<Answer>(line: string): Promise<Answer> {
      child.stdin.write(`${line}\n`);
      return read() as Promise<Answer>;
    },
    close: () => child.stdin.end(),
  };
}

const median = (numbers: readonly number[]) => numbers.toSorted((a, b) => a - b)[numbers.length >> 1]!;

const peers = ["onnx", "nchw", "channels_last"] as const;
type Peer = (typeof peers)[number];
type Medians = { readonly [P in Peer]: Omit<Timed, "loss"> };

async function speed(): Promise<Medians> {
  const [ours, torch] = [await openOnnx(), await openTorch()];
  const step = (peer: Peer) => (peer === "onnx" ? ours.step() : torch.ask<Timed>(peer));
  const times: { readonly [P in Peer]: Timed[] } = { onnx: [], nchw: [], channels_last: [] };
  for (const peer of peers) for (let warm = 0; warm < 2; warm++) await step(peer);
  for (let round = 0; round < rounds; round++) for (const peer of peers) times[peer].push(await step(peer));
  await ours.close();
  torch.close();
  const of = (peer: Peer) => ({
    wall: median(times[peer].map(({ wall }) => wall)),
    cpu: median(times[peer].map(({ cpu }) => cpu)),
  });
  return { onnx: of("onnx"), nchw: of("nchw"), channels_last: of("channels_last") };
}

function tell({ onnx: ours, nchw, channels_last: last }: Medians, { onnx: own, nchw: theirs }: Memory): void {
  console.log(`batch ${batch}, ${size} × ${size}, ${threads} thread(s), ${rounds} rounds; medians`);
  for (const kind of ["wall", "cpu"] as const) {
    const [a, b, c] = [ours, nchw, last].map((each) => (each[kind] * 1e3).toFixed(0));
    const ratios = `${(ours[kind] / nchw[kind]).toFixed(2)} and ${(ours[kind] / last[kind]).toFixed(2)}`;
    console.log(`${kind}, ms: onnx ${a}, PyTorch ${b}, channels last ${c}; ratios ${ratios}`);
  }
  const [a, b] = [own, theirs].map((each) => (each / 2 ** 20).toFixed(0));
  console.log(`memory of two steps, MiB: onnx ${a}, PyTorch ${b}; ratio ${(own / theirs).toFixed(2)}`);
}

const peak = () => process.resourceUsage().maxRSS * 1024;

/** In a process of its own: the bytes that two steps add to it at their peak. */
async function answerMemory(): Promise<void> {
  await import("onnxruntime-node"); // as PyTorch, which is imported before
  const before = peak();
  const ours = await openOnnx();
  await ours.step();
  await ours.step();
  process.send?.(peak() - before);
  await ours.close();
  process.disconnect();
}

/** Bytes of two steps. */
interface Memory {
  readonly onnx: number;
  readonly nchw: number;
}

async function memory(): Promise<Memory> {
  const child: ChildProcess = fork(import.meta.filename, process.argv.slice(2), {
    env: { ...process.env, TRAINING_STEP: "memory" },
  });
  const [own] = (await once(child, "message")) as [number];
  const torch = await openTorch();
  const { bytes } = await torch.ask<{ readonly bytes: number }>("memory nchw");
  torch.close();
  return { onnx: own, nchw: bytes };
}

/** The memory of the process after more and more steps. */
async function growth(steps: number): Promise<void> {
  const ours = await openOnnx();
  for (let step = 1; step <= steps; step++) {
    await ours.step();
    if (step === 50 || step % Math.ceil(steps / 10) === 0)
      console.log(`step ${step}: ${process.memoryUsage.rss() >> 20} MiB`);
  }
  await ours.close();
}

if (process.env.TRAINING_STEP === "memory") {
  await answerMemory();
} else if (values.growth !== undefined) {
  await growth(Number(values.growth));
} else {
  const [times, bytes] = [await speed(), await memory()];
  if (values.json) console.log(JSON.stringify({ batch, size, threads, times, bytes }));
  else tell(times, bytes);
}
