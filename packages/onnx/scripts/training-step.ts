/**
 * Times a training step of CIFAR's ResNet-20 (SGD with momentum and weight decay) on onnx and in PyTorch, in turn, and
 * measures the memory that two steps take in processes of their own. Prints medians, and ratios to PyTorch.
 *
 *   node --conditions=@residual/source scripts/training-step.ts [--batch 128] [--threads 1] [--rounds 9] [--python
 * python3]
 *
 * in packages/onnx. PyTorch's side is training_step.py. `--growth 2000` makes steps on onnx alone, and prints the
 * memory
 * of the process as they go on.
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
    threads: { type: "string", default: "1" },
    rounds: { type: "string", default: "9" },
    python: { type: "string", default: "python3" },
    growth: { type: "string" },
  },
});
const [batch, threads, rounds] = [values.batch, values.threads, values.rounds].map(Number) as [number, number, number];

interface Timed {
  readonly wall: number;
  readonly cpu: number;
  readonly loss: number;
}

/** A step on onnx, timed in seconds. */
async function openOnnx(): Promise<{ step(): Promise<Timed>; close(): Promise<void> }> {
  const open = resnet(variants.cifar_resnet20, { input: [batch, 3, 32, 32] });
  const net = trainable(open, { weights: fixtureWeights(open, "v1") });
  const optimizer = sgd({ momentum: 0.9, weightDecay: 1e-4, coupled: true, decayAll: true });
  const executable = await onnx({ threads }).compile(trainingStep(net, { loss: "crossEntropy", optimizer }));
  const hot = Float32Array.from({ length: batch * 10 }, (_, i) => Number(i % 10 === Math.floor(i / 10) % 10));
  const given = {
    image: fixtureInput("v1", [batch, 3, 32, 32]),
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
  const child = spawn(values.python, [script, String(batch), String(threads)], { stdio: ["pipe", "pipe", "inherit"] });
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

async function speed(): Promise<void> {
  const [ours, torch] = [await openOnnx(), await openTorch()];
  const steps = {
    onnx: () => ours.step(),
    nchw: () => torch.ask<Timed>("nchw"),
    channels_last: () => torch.ask<Timed>("channels_last"),
  };
  type Name = keyof typeof steps;
  const names = Object.keys(steps) as Name[];
  const times: { readonly [N in Name]: Timed[] } = { onnx: [], nchw: [], channels_last: [] };
  for (const name of names) for (let warm = 0; warm < 2; warm++) await steps[name]();
  for (let round = 0; round < rounds; round++) for (const name of names) times[name].push(await steps[name]());
  await ours.close();
  torch.close();
  console.log(`batch ${batch}, ${threads} thread(s), ${rounds} rounds, PyTorch ${torch.version}; medians`);
  for (const kind of ["wall", "cpu"] as const) {
    const of = (name: Name) => median(times[name].map((each) => each[kind])) * 1e3;
    const [own, nchw, last] = names.map(of) as [number, number, number];
    const shown = [own, nchw, last].map((each) => each.toFixed(0));
    const ratios = `${(own / nchw).toFixed(2)} and ${(own / last).toFixed(2)}`;
    console.log(`${kind}, ms: onnx ${shown[0]}, PyTorch ${shown[1]}, channels last ${shown[2]}; ratios ${ratios}`);
  }
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

async function memory(): Promise<void> {
  const child: ChildProcess = fork(import.meta.filename, process.argv.slice(2), {
    env: { ...process.env, TRAINING_STEP: "memory" },
  });
  const [own] = (await once(child, "message")) as [number];
  const torch = await openTorch();
  const { bytes } = await torch.ask<{ readonly bytes: number }>("memory nchw");
  torch.close();
  const [a, b] = [own, bytes].map((each) => (each / 2 ** 20).toFixed(0));
  console.log(`memory of two steps, MiB: onnx ${a}, PyTorch ${b}; ratio ${(own / bytes).toFixed(2)}`);
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
  await speed();
  await memory();
}
