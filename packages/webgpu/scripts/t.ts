import { fill, resnet, tensorOf, variants } from "@residual/core";
import { dawnGpu } from "@residual/kit/testing/lavapipe";
import * as tf from "@tensorflow/tfjs-core";
import { tfjsStep, useTfjs } from "./tfjs-training.ts";

const gpu = await dawnGpu();
await useTfjs(gpu as never);
const n = Number(process.argv[2] ?? 32);
const spec = resnet(variants.resnet18, { input: [n, 3, 64, 64] });
const t = tensorOf("float32", [n, 1000], new Float32Array(n * 1000));
for (let i = 0; i < n; i++) t.data[i * 1000 + ((i * 37) % 1000)] = 1;
const s = tfjsStep(spec, {
  image: fill("v1", "image", [n, 3, 64, 64], -1, 1),
  target: t,
  learningRate: 0.1,
  momentum: 0.9,
  weightDecay: 1e-4,
});
for (let i = 0; i < Number(process.argv[3] ?? 3); i++) {
  const a = performance.now();
  const c = process.cpuUsage();
  const l = await s.step();
  const d = process.cpuUsage(c);
  console.log(
    l,
    (performance.now() - a).toFixed(0),
    "ms",
    ((d.user + d.system) / 1000).toFixed(0),
    "cpu ms",
    tf.memory().numTensors,
  );
}
process.exit(0);
