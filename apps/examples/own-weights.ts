/** Weights from a file of your own: node own-weights.ts WEIGHTS PICTURE [MODEL] */
import type { ModelName } from "@residual/core";
import { load } from "residual";

const [weights, picture, model] = process.argv.slice(2);
if (!picture) process.exit(console.error("usage: node own-weights.ts WEIGHTS PICTURE [MODEL]") ?? 2);
await using classifier = await load({
  weights: weights!,
  ...(model && { model: model as ModelName }), // if the file does not say it
});
const { resize, crop, mean } = classifier.preprocessing;
console.log(`${classifier.model}, resize ${resize}, crop ${crop}, mean ${mean.join(" ")}`);
console.log(`${classifier.labels?.length ?? "no"} labels: ${classifier.labels?.join(", ") ?? "indices alone"}`);
for (const { label, probability } of await classifier.classify(picture, { top: 3 })) {
  console.log(probability.toFixed(3), label);
}
