import { fill, fixtureWeights, resnet, sgd, tensorOf, trainable, trainingStep, variants } from "@residual/core";
import { webgpu } from "../src/index.ts";

const n = Number(process.argv[2] ?? 32),
  steps = Number(process.argv[3] ?? 5);
const name = (process.argv[4] ?? "resnet18") as "resnet18";
const size = Number(process.argv[5] ?? 64);
const spec = resnet(variants[name], { input: [n, 3, size, size] });
const net = trainable(spec, { weights: fixtureWeights(spec, "v1") });
const classes = net.outputs.logits.shape[1] as number;
const step = trainingStep(net, {
  loss: "crossEntropy",
  optimizer: sgd({ momentum: 0.9, weightDecay: 1e-4, coupled: true, decayAll: true }),
});
const target = tensorOf("float32", [n, classes], new Float32Array(n * classes));
for (let i = 0; i < n; i++) target.data[i * classes + ((i * 37) % classes)] = 1;
const backend = webgpu(JSON.parse(process.argv[6] ?? "{}"));
const t0 = performance.now();
const ex = await backend.compile(step);
console.log(
  "compile",
  (performance.now() - t0).toFixed(0),
  "dispatches",
  ex.plan.split("\n").length,
  ex.plan.split("\n").at(-1),
);
if (process.env.PLAN) console.log(ex.plan);
for (let i = 0; i < steps; i++) {
  const a = performance.now();
  const c = process.cpuUsage();
  const l = await ex.run({
    image: fill("v1", "image", [n, 3, size, size], -1, 1),
    target,
    learningRate: tensorOf("float32", [], Float32Array.of(0.1)),
  });
  await ex.read(["fc.bias"]);
  const d = process.cpuUsage(c);
  console.log(
    l.loss.data[0],
    (performance.now() - a).toFixed(0),
    "ms",
    ((d.user + d.system) / 1000).toFixed(0),
    "cpu ms",
  );
}
process.exit(0);
