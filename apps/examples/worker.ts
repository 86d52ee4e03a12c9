/** All of it in a thread of your own: node worker.ts PICTURE… */
import { globSync } from "node:fs";
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";
import { load } from "residual";

if (isMainThread) {
  const pictures = process.argv[2]
    ? process.argv.slice(2)
    : globSync(`${import.meta.dirname}/../../photos/*.{png,jpg}`);
  const worker = new Worker(new URL(import.meta.url), { workerData: pictures });
  worker.on("message", ({ picture, label }) => console.log(picture, label));
} else {
  await using classifier = await load();
  for await (const { picture, predictions } of classifier.classifyAll(workerData as string[])) {
    parentPort!.postMessage({ picture, label: predictions?.[0]?.label });
  }
}
