/** Many pictures with progress; Ctrl-C stops it: node batch.ts PICTURE… */
import { globSync } from "node:fs";
import { AbortError } from "@residual/core";
import { load } from "residual";

const pictures = process.argv[2] ? process.argv.slice(2) : globSync(`${import.meta.dirname}/../../photos/*.{png,jpg}`);
const stop = new AbortController();
process.once("SIGINT", () => stop.abort());
const onProgress = ({ done, total }: { done: number; total: number }) => console.error(`${done} of ${total}`);
try {
  await using classifier = await load({ signal: stop.signal });
  const answers = classifier.classifyAll(pictures, { signal: stop.signal, onProgress, batch: 8 });
  for await (const { picture, predictions } of answers) console.log(picture, predictions?.[0]?.label);
} catch (error) {
  if (!(error instanceof AbortError)) throw error;
  console.log("stopped");
}
