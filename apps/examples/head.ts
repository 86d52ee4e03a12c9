/** A head for classes of your own, fitted on features: node head.ts FOLDER PICTURE, a folder of pictures per class */
import { globSync, readdirSync } from "node:fs";
import { load } from "residual";

const [folder, picture] = process.argv.slice(2) as [string, string];
if (!picture) process.exit(console.error("usage: node head.ts FOLDER PICTURE") ?? 2);
const names = readdirSync(folder).toSorted();
await using classifier = await load();
const sums = names.map(() => new Float64Array(64)); // as many as `avgpool` has channels
for (const [i, name] of names.entries()) {
  const { data } = await classifier.features("avgpool", globSync(`${folder}/${name}/*`)); // [N, 64]
  for (const [k, x] of data.entries()) sums[i]![k % 64]! += x;
}
// The class whose mean points most nearly the same way.
const rows = sums.map((sum) => sum.map((x) => x / Math.hypot(...sum)));
const { data } = await classifier.features("avgpool", picture);
const scores = rows.map((row) => row.reduce((score, x, j) => score + x * data[j]!, 0));
console.log(names[scores.indexOf(Math.max(...scores))]);
