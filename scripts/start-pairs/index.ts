/**
 * How long it takes from a process's start to a model that is ready, here and in another checkout, by turns: ratios of
 * this one to the other, medians of pairs. Both checkouts are built; weights are generated, in torchvision's names.
 *
 *   node --conditions=@residual/source scripts/start-pairs/index.ts OTHER [ROUNDS]
 *
 * Linux: the memory is that of /proc.
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { fixtureWeights, type ModelName, resnet, variants } from "../../packages/core/src/index.ts";
import { writeSafetensors } from "../../packages/weights/src/index.ts";

const [other, rounds = "11"] = process.argv.slice(2);
if (other === undefined) throw new Error("usage: scripts/start-pairs/index.ts OTHER [ROUNDS]");
const [otherRoot, root] = [resolve(other), resolve(import.meta.dirname, "../..")];
const models = ["resnet18", "resnet50", "resnext50_32x4d"] as const satisfies readonly ModelName[];
const backends = ["onnx", "webgpu", "tfjs-wasm"];
const folder = mkdtempSync(join(tmpdir(), "residual-start-"));

/** In milliseconds, milliseconds of the processor, and MiB. */
type Found = Readonly<Record<"ready" | "cpu" | "peak", number>>;

interface Pair {
  readonly before: Found;
  readonly after: Found;
}

function start(checkout: string, words: readonly string[]): Found {
  const child = join(import.meta.dirname, "child.ts");
  const { stdout, stderr, status } = spawnSync(process.execPath, [child, checkout, ...words], { encoding: "utf8" });
  if (status !== 0) throw new Error(stderr);
  const [ready, cpu, peak] = stdout.split(" ").map(Number);
  if (ready === undefined || cpu === undefined || peak === undefined) throw new Error(`found ${stdout}`);
  return { ready, cpu, peak };
}

/** The other checkout's start and this one's. The other goes first in even rounds. */
function startBoth(round: number, words: readonly string[]): Pair {
  const early = round % 2 === 1 ? start(root, words) : undefined;
  const before = start(otherRoot, words);
  return { before, after: early ?? start(root, words) };
}

const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[values.length >> 1]!;

try {
  console.log("| backend | model | ready, ms | ratio | CPU time | peak, MiB | ratio |\n| - | - | - | - | - | - | - |");
  for (const model of models) {
    const path = join(folder, `${model}.safetensors`);
    await writeSafetensors(path, fixtureWeights(resnet(variants[model]), "v1").tensors);
    for (const backend of backends) {
      const pairs = Array.from({ length: Number(rounds) }, (_, round) => startBoth(round, [model, backend, path]));
      const medianOf = (which: keyof Pair, key: keyof Found) =>
        Math.round(median(pairs.map((pair) => pair[which][key])));
      const both = (key: keyof Found) => `${medianOf("before", key)} to ${medianOf("after", key)}`;
      const ratio = (key: keyof Found) => median(pairs.map(({ before, after }) => after[key] / before[key])).toFixed(2);
      const cells = [backend, model, both("ready"), ratio("ready"), ratio("cpu"), both("peak"), ratio("peak")];
      console.log(`| ${cells.join(" | ")} |`);
    }
    rmSync(path);
  }
} finally {
  rmSync(folder, { recursive: true });
}
