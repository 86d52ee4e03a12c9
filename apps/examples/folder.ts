/** The pictures of a folder, in batches: node folder.ts FOLDER */
import { readdir } from "node:fs/promises";
import { load } from "residual";

const folder = process.argv[2] ?? `${import.meta.dirname}/../../photos`;
const files = (await readdir(folder)).filter((file) => /\.(jpe?g|png|webp)$/i.test(file)).toSorted();

await using classifier = await load();
const pictures = files.map((file) => `${folder}/${file}`);
for await (const { picture, predictions, error } of classifier.classifyAll(pictures, { top: 1 })) {
  console.log(picture, error ? error.message : predictions[0]?.label);
}
