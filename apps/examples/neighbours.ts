/** Which pictures look most like the first one: node neighbours.ts PICTURE PICTURE… */
import { globSync } from "node:fs";
import { load } from "residual";

const pictures = process.argv[2] ? process.argv.slice(2) : globSync(`${import.meta.dirname}/../../photos/*.{png,jpg}`);
await using classifier = await load();
const { shape, data } = await classifier.features("avgpool", pictures); // [N, C]

const vectors = pictures.map((_, i) => data.subarray(i * shape[1]!, (i + 1) * shape[1]!));
const dot = (a: Float32Array, b: Float32Array) => a.reduce((sum, x, i) => sum + x * b[i]!, 0);
const cosine = (a: Float32Array, b: Float32Array) => dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b));

const similar = pictures.map((picture, i) => ({ picture, likeness: cosine(vectors[0]!, vectors[i]!) }));
for (const { picture, likeness } of similar.toSorted((a, b) => b.likeness - a.likeness)) {
  console.log(likeness.toFixed(3), picture);
}
