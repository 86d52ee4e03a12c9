/**
 * A step of training of ResNet-18 at 64 × 64, batch 32, beside the same step in TensorFlow.js on the same adapter.
 *
 *   VK_ICD_FILENAMES=/usr/share/vulkan/icd.d/lvp_icd.json \
 *     node --conditions=@residual/source scripts/training-step.ts [BATCH [ROUNDS]]     in packages/webgpu; quiet
 *
 * Prints what a step does, and for each peer the least and the median of its steps, which alternate. CPU time is that
 * of
 * all threads of the process, so that other programs count less.
 */
import {
  fill,
  fixtureWeights,
  macsOf,
  nodesOf,
  resnet,
  sgd,
  tensorOf,
  trainable,
  trainingStep,
  variants,
} from "@residual/core";
import { dawnGpu } from "@residual/kit/testing/lavapipe";
import { webgpu } from "../src/index.ts";
import { tfjsStep, useTfjs } from "./tfjs-training.ts";

const [batch, rounds] = [Number(process.argv[2] ?? 32), Number(process.argv[3] ?? 3)];
const [learningRate, momentum, weightDecay] = [0.1, 0.9, 1e-4];

const spec = resnet(variants.resnet18, { input: [batch, 3, 64, 64] });
const network = trainable(spec, { weights: fixtureWeights(spec, "v1") });
const optimizer = sgd({ momentum, weightDecay, coupled: true, decayAll: true });
const step = trainingStep(network, { loss: "crossEntropy", optimizer });
const image = fill("v1", "image", [batch, 3, 64, 64], -1, 1);
const target = tensorOf("float32", [batch, 1000], new Float32Array(batch * 1000));
for (let i = 0; i < batch; i++) target.data[1000 * i + ((37 * i) % 1000)] = 1;

const macs = nodesOf(step).reduce((sum, node) => sum + macsOf(node, batch), 0);
const executable = await webgpu().compile(step);
const plan = executable.plan.split("\n");
console.log(
  `${(macs / 1e9).toFixed(1)} billion multiply-adds, ${plan.length - 1} dispatches and updates; ${plan.at(-1)}`,
);

const ours = async (): Promise<number> => {
  const { loss } = await executable.run({
    image,
    target,
    learningRate: tensorOf("float32", [], Float32Array.of(learningRate)),
  });
  await executable.read(["fc.bias"]); // waits for the updates of the step
  return loss.data[0]!;
};
const gpu = await dawnGpu();
await useTfjs(gpu);
const peer = tfjsStep(spec, { image, target, learningRate, momentum, weightDecay });

interface Peer {
  readonly name: string;
  readonly step: () => Promise<number>;
  readonly wall: number[];
  readonly cpu: number[];
  readonly losses: number[];
}

const peers: readonly Peer[] = [
  { name: "residual", step: ours, wall: [], cpu: [], losses: [] },
  { name: "tfjs", step: () => peer.step(), wall: [], cpu: [], losses: [] },
];
for (let round = 0; round <= rounds; round++) {
  for (const { name, step, wall, cpu, losses } of peers) {
    const [start, before] = [performance.now(), process.cpuUsage()];
    losses.push(await step());
    console.log(`${name}, step ${round + 1}: ${(performance.now() - start).toFixed(0)} ms`);
    const { user, system } = process.cpuUsage(before);
    if (round === 0) continue; // the adapter compiles its kernels in the first step
    wall.push(performance.now() - start);
    cpu.push((user + system) / 1000);
  }
}
const least = (times: readonly number[]) => Math.min(...times);
const median = (times: readonly number[]) => times.toSorted((a, b) => a - b)[Math.floor(times.length / 2)]!;
for (const { name, wall, cpu, losses } of peers) {
  const times = [wall, cpu].map((each) => `${least(each).toFixed(0)} (median ${median(each).toFixed(0)})`);
  console.log(
    `${name}: wall ${times[0]} ms, CPU ${times[1]} ms; losses ${losses.map((loss) => loss.toFixed(4)).join(", ")}`,
  );
}
const [{ wall, cpu }, other] = peers as [Peer, Peer];
console.log(
  `ratio: wall ${(least(other.wall) / least(wall)).toFixed(1)}, CPU ${(least(other.cpu) / least(cpu)).toFixed(1)}`,
);
process.exit(0); // Dawn keeps the process as long as its GPU is held
