import {
  fixtureWeights,
  formatShape,
  macsOf,
  nodesOf,
  optimize,
  resnet,
  sgd,
  trainable,
  trainingStep,
  variants,
} from "@residual/core";

const spec = resnet(variants.resnet18, { input: [32, 3, 64, 64] });
const net = trainable(spec, { weights: fixtureWeights(spec, "v1") });
const step = trainingStep(net, {
  loss: "crossEntropy",
  optimizer: sgd({ momentum: 0.9, weightDecay: 5e-4, coupled: true, decayAll: true }),
});
const g = optimize(step);
const counts = new Map<string, number>();
const macs = new Map<string, number>();
for (const n of nodesOf(g)) {
  counts.set(n.op, (counts.get(n.op) ?? 0) + 1);
  macs.set(n.op, (macs.get(n.op) ?? 0) + macsOf(n, 32));
}
console.log(
  nodesOf(g).length,
  [...counts]
    .sort((a, b) => b[1] - a[1])
    .map(([k, v]) => `${k} ${v} ${(macs.get(k)! / 1e9).toFixed(3)} GMAC`)
    .join("\n"),
);
if (process.argv[2])
  for (const n of nodesOf(g))
    console.log(
      n.name,
      n.op,
      formatShape(n.shape),
      Object.values(n.inputs)
        .map((v) => `${v.name}${formatShape(v.shape)}`)
        .join(", "),
    );
