/**
 * What loads that fail leave behind: 1,000 of them, of several kinds in turn, with the threads, the resident set and
 * the temporary folder of this process. Exits with 1 where one of them grows.
 *
 *   node --conditions=@residual/source --expose-gc scripts/failing-loads.ts [ROUNDS]
 *
 * Linux, with onnxruntime-node. The warm-up is 400 loads: until then glibc's pools fill, which keep freed memory.
 */
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { bind, fixtureWeights, ResidualError, resnet, variants } from "../packages/core/src/index.ts";
import { onnx } from "../packages/onnx/src/index.ts";
import { load } from "../packages/pipeline/src/index.ts";
import { tfjs } from "../packages/tfjs/src/index.ts";
import { writeSafetensors } from "../packages/weights/src/index.ts";

const WARM_UP = 400;
const LARGEST_GROWTH = 50; // MiB; a thread and its memory take 25

const rounds = Number(process.argv[2] ?? 1000);
const folder = mkdtempSync(join(tmpdir(), "residual-failing-"));
process.env.TMPDIR = folder;
process.on("exit", () => rmSync(folder, { recursive: true, force: true }));

const spec = resnet(variants.resnet18);
const weights = fixtureWeights(spec, "v1");
const graph = bind(spec, weights);
const whole = join(folder, "whole.safetensors");
await writeSafetensors(whole, weights.tensors);
/** Large enough that the runtime starts while it is scanned; its last number is none. */
const broken = join(folder, "broken.safetensors");
const tensors = new Map(weights.tensors);
const last = tensors.get("fc.bias")!;
tensors.set("fc.bias", {
  dtype: "float32",
  shape: last.shape,
  data: Float32Array.from(last.data).fill(Number.NaN, -1),
});
await writeSafetensors(broken, tensors);
const noWeights = join(folder, "text.safetensors");
writeFileSync(noWeights, "no weights at all");
const parted = new URL("file:///bundle/onnx-worker.js");

const after = (milliseconds: number) => AbortSignal.timeout(milliseconds);
const model = "resnet18";

type Attempt = () => Promise<{ dispose(): Promise<void> } | undefined>;

const kinds: readonly (readonly [name: string, attempt: Attempt])[] = [
  ["no such model", () => load({ backend: "onnx", model: "resnet5000" as never })],
  ["no such file", () => load({ backend: "onnx", model, weights: join(folder, "nowhere.safetensors") })],
  ["not weights", () => load({ backend: "onnx", model, weights: noWeights })],
  ["a NaN at the end of the weights", () => load({ backend: "onnx", model, weights: broken })],
  ["another model's weights", () => load({ backend: "onnx", model: "resnet50", weights: whole })],
  ["aborted before", () => load({ backend: "onnx", model, weights: whole, signal: AbortSignal.abort() })],
  ["aborted early", () => load({ backend: "onnx", model, weights: whole, signal: after(5) })],
  ["aborted late", () => load({ backend: "onnx", model, weights: whole, signal: after(60) })],
  ["a compile aborted early", () => onnx().compile(graph, { signal: after(5) })],
  ["a compile aborted late", () => onnx().compile(graph, { signal: after(50) })],
  ["a compile on tfjs, aborted", () => tfjs({ worker: true }).compile(graph, { signal: after(60) })],
  ["no code of the thread", () => onnx({ worker: parted }).compile(graph)],
  [
    "describe, which does not fail",
    () =>
      onnx()
        .describe()
        .then(() => undefined),
  ],
];

interface Measured {
  readonly threads: number;
  readonly resident: number;
  readonly files: number;
}

/** Once all that has been aborted has come to its end. */
async function measure(): Promise<Measured> {
  for (let i = 0; i < 5; i++) {
    globalThis.gc?.();
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  const files = readdirSync(folder).filter((name) => name.startsWith("residual-")).length;
  return {
    threads: readdirSync("/proc/self/task").length,
    resident: Math.round(process.memoryUsage.rss() / 2 ** 20),
    files,
  };
}

/** The code of the error, or that there was none. */
async function outcomeOf(attempt: Attempt): Promise<string> {
  try {
    await (await attempt())?.dispose();
    return "succeeded";
  } catch (error) {
    if (error instanceof ResidualError) return error.code;
    throw error;
  }
}

const ends = new Map<string, number>();
let first: Measured | undefined;
for (let round = 1; round <= rounds; round++) {
  const [name, attempt] = kinds[round % kinds.length]!;
  const end = await outcomeOf(attempt);
  ends.set(`${name}: ${end}`, (ends.get(`${name}: ${end}`) ?? 0) + 1);
  if (round % 100 > 0 && round < rounds) continue;
  const measured = await measure();
  if (round === WARM_UP) first = measured;
  const { threads, resident, files } = measured;
  console.log(`${round} loads: ${threads} threads, ${resident} MiB, ${files} temporary folders`);
  if (!first || round < rounds) continue;
  for (const [kind, count] of ends) console.log(`  ${kind}, ${count} times`);
  const isFlat = threads <= first.threads && resident - first.resident < LARGEST_GROWTH && files === 0;
  console.log(isFlat ? "flat" : "it grows");
  process.exitCode = isFlat ? 0 : 1;
}
