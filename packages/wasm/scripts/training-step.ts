/**
 * Times of a training step of ResNet-20 (CIFAR), with SGD and momentum.
 *
 *   node --conditions=@residual/source scripts/training-step.ts             one and two threads, and tfjs on wasm
 *   node --conditions=@residual/source scripts/training-step.ts --kernels   one thread, kernel by kernel
 *
 * Backends take turns. Milliseconds of a step are wall time, with CPU time of the process next to it.
 */
import { parseArgs } from "node:util";
import {
  type Backend,
  fill,
  fixtureWeights,
  type Graph,
  optimize,
  resnet,
  sgd,
  type Tensor,
  tensor,
  tensorOf,
  trainable,
  trainingStep,
  variants,
} from "@residual/core";
import { wasm } from "@residual/wasm";
import { type Call, callsOf } from "../src/calls.ts";
import { Engine, makeMemory } from "../src/engine.ts";
import { lowerToPlan } from "../src/lower.ts";
import { addressesOf, kernelsOf } from "../src/plan.ts";
import { moduleOf } from "../src/platform.ts";

const { values } = parseArgs({
  options: {
    model: { type: "string", default: "cifar_resnet20" },
    batch: { type: "string", default: "128" },
    size: { type: "string", default: "32" },
    rounds: { type: "string", default: "7" },
    kernels: { type: "boolean", default: false },
    without: { type: "string", default: "" },
  },
});
const [batch, size, rounds] = [values.batch, values.size, values.rounds].map(Number) as [number, number, number];

function stepGraph(): Graph {
  const spec = variants[values.model as keyof typeof variants];
  const open: Graph = resnet(spec, { input: [batch, 3, size, size] });
  const net = trainable(open as Graph<string, "logits">, { weights: fixtureWeights(open, "v1") });
  return trainingStep(net, { loss: "crossEntropy", optimizer: sgd({ momentum: 0.9, weightDecay: 1e-4 }) }) as Graph;
}

function inputsOf(graph: Graph): { [name: string]: Tensor<"float32"> } {
  const classes = graph.inputs.target!.shape[1] as number;
  const target = new Float32Array(batch * classes);
  for (let image = 0; image < batch; image++) target[image * classes + (image % classes)] = 1;
  return {
    image: fill("step", "image", [batch, 3, size, size], -1, 1),
    target: tensorOf("float32", [batch, classes], target),
    learningRate: tensor([], [0.01]),
  };
}

const median = (times: readonly number[]) => times.toSorted((a, b) => a - b)[Math.floor(times.length / 2)]!;

async function compare(): Promise<void> {
  const graph = stepGraph();
  const inputs = inputsOf(graph);
  const peer = new URL("../../tfjs/src/index.ts", import.meta.url).href;
  const { tfjs } = (await import(peer)) as { tfjs: (options: { engine: "wasm" }) => Backend };
  const makers: { readonly [name: string]: () => Backend } = {
    "wasm, 1 thread": () => wasm({ threads: 1 }),
    "wasm, 2 threads": () => wasm({ threads: 2 }),
    "tfjs-wasm": () => tfjs({ engine: "wasm" }),
  };
  const backends: { readonly [name: string]: Backend } = Object.fromEntries(
    Object.entries(makers).flatMap(([name, make]) =>
      values.without.split(";").includes(name) ? [] : [[name, make()]],
    ),
  );
  const all = [];
  for (const [name, backend] of Object.entries(backends)) {
    const executable = await backend.compile(graph);
    for (let i = 0; i < 2; i++) await executable.run(inputs);
    all.push({ name, executable, wall: [] as number[], cpu: [] as number[] });
  }
  for (let round = 0; round < rounds; round++) {
    for (const { executable, wall, cpu } of all) {
      const before = process.cpuUsage();
      const start = performance.now();
      await executable.run(inputs);
      wall.push(performance.now() - start);
      const { user, system } = process.cpuUsage(before);
      cpu.push((user + system) / 1000);
    }
  }
  for (const { name, wall, cpu, executable } of all) {
    const [w, c] = [wall, cpu].map(
      (times) => `median ${median(times).toFixed(0)}, least ${Math.min(...times).toFixed(0)}`,
    );
    console.log(`${name.padEnd(16)} wall ${w} ms; CPU ${c} ms`);
    await executable.dispose();
  }
}

async function profile(): Promise<void> {
  const choice = { instructions: "relaxed madd", isShared: false, winograd: true } as const;
  const plan = lowerToPlan(optimize(stepGraph()), choice);
  const addresses = addressesOf(plan, batch);
  const engine = new Engine(makeMemory(addresses.end, false));
  for (const kernel of new Map(kernelsOf(plan).map((each) => [each.name, each])).values())
    engine.add([[kernel.name, await moduleOf(kernel, choice)]]);
  const calls = callsOf(plan, addresses, batch);
  const times = new Map<string, { ms: number; calls: number; work: number }>();
  const key = ({ kernel, function: name }: Call) => `${kernel}: ${name}`;
  for (let round = 0; round < rounds + 2; round++) {
    const now = new Map<string, { ms: number; calls: number; work: number }>();
    for (const call of calls) {
      const before = performance.now();
      engine.call(call.kernel, call.function, [...call.values, call.first, call.end]);
      const each = now.get(key(call)) ?? { ms: 0, calls: 0, work: 0 };
      now.set(key(call), {
        ms: each.ms + performance.now() - before,
        calls: each.calls + 1,
        work: each.work + (call.end - call.first) * call.work,
      });
    }
    await new Promise((resolve) => setTimeout(resolve, 20)); // V8 optimizes meanwhile
    if (round >= 2)
      for (const [name, each] of now) if (each.ms < (times.get(name)?.ms ?? Infinity)) times.set(name, each);
  }
  const sorted = [...times].sort(([, a], [, b]) => b.ms - a.ms);
  const sum = sorted.reduce((total, [, { ms }]) => total + ms, 0);
  const megabytes = (addresses.end / 1e6).toFixed(0);
  console.log(`${sum.toFixed(0)} ms in ${calls.length} calls of ${kernelsOf(plan).length} steps, ${megabytes} MB`);
  for (const [name, { ms, calls: count, work }] of sorted.slice(0, 60)) {
    const rate = (work / ms / 1e6).toFixed(1).padStart(6);
    console.log(`${ms.toFixed(2).padStart(8)} ms ${String(count).padStart(4)} × ${rate} G/s  ${name}`);
  }
}

await (values.kernels ? profile() : compare());
