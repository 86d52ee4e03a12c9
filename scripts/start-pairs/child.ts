/** Loads a model by a checkout's built packages, and prints how long this process has taken for it. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Load } from "../../packages/pipeline/src/load.ts";

const [root = "", model = "", backend, weights] = process.argv.slice(2);
const { load } = (await import(join(root, "packages/cli/dist/index.js"))) as { readonly load: Load };
await load({ model: model as "resnet50", backend, weights, threads: 2 });
const { user, system } = process.cpuUsage();
/** In MiB. What getrusage says would hold the parent's too. */
const peak = Number(/VmHWM:\s+(\d+)/.exec(readFileSync("/proc/self/status", "utf8"))![1]) / 1024;
console.log(`${performance.now()} ${(user + system) / 1000} ${peak}`);
process.exit(); // Dawn keeps the process as long as its GPU is held
