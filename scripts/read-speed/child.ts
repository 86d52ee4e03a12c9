/** Reads a file of weights, and prints how long that took. A small file goes before, which loads the reader's code. */
import { readFileSync } from "node:fs";
import { readTensors, readWeights } from "../../packages/weights/src/index.ts";

/** In bytes. What getrusage says would hold the parent's too. */
const memory = (field: "VmRSS" | "VmHWM"): number =>
  1024 * Number(new RegExp(`${field}:\\s+(\\d+)`).exec(readFileSync("/proc/self/status", "utf8"))![1]);

await readTensors(await readWeights(process.argv[3]!));
const before = memory("VmRSS");
const start = performance.now();
const weights = await readWeights(process.argv[2]!);
const read = performance.now() - start;
const { tensors } = await readTensors(weights);
const all = performance.now() - start;
if (tensors.size === 0) throw new Error("the file is empty");
console.log(JSON.stringify({ read, all, memory: memory("VmHWM") - before }));
