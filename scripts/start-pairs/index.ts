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
const roots = [resolve(other), resolve(import.meta.dirname, "../..")] as const;
const models = ["resnet18", "resnet50", "resnext50_32x4d"] as const satisfies readonly ModelName[];
const backends = ["onnx", "webgpu", "tfjs-wasm"];
const folder = mkdtempSync(join(tmpdir(), "residual-start-"));

/** In milliseconds, milliseconds of the processor, and MiB. */
type Found = Readonly<Record<"ready" | "cpu" | "peak", number>>;

function start(root: string, words: readonly string[]): Found {
  const child = join(import.meta.dirname, "child.ts");
  const { stdout, stderr, status } = spawnSync(process.execPath, [child, root, ...words], { encoding: "utf8" });
  if (status !== 0) throw new Error(stderr);
  return JSON.parse(stdout) as Found;
}

const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[values.length >> 1]!;

try {
  console.log("| backend | model | ready, ms | ratio | CPU time | peak, MiB | ratio |\n| - | - | - | - | - | - | - |");
  for (const model of models) {
    const path = join(folder, `${model}.safetensors`);
    await writeSafetensors(path, fixtureWeights(resnet(variants[model]), "v1").tensors);
    for (const backend of backends) {
      const pairs = Array.from({ length: Number(rounds) }, (_, round) => {
        const turns = round % 2 === 0 ? [0, 1] : [1, 0];
        const found = turns.map((turn) => [turn, start(roots[turn]!, [model, backend, path])] as const);
        return found.toSorted(([a], [b]) => a - b).map(([, each]) => each) as [Found, Found];
      });
      const both = (key: keyof Found) => pairs.map((pair) => pair.map((each) => each[key]) as [number, number]);
      const of = (key: keyof Found) =>
        [0, 1].map((turn) => Math.round(median(both(key).map((pair) => pair[turn]!)))).join(" to ");
      const ratio = (key: keyof Found) => median(both(key).map(([before, after]) => after / before)).toFixed(2);
      const cells = [backend, model, of("ready"), ratio("ready"), ratio("cpu"), of("peak"), ratio("peak")];
      console.log(`| ${cells.join(" | ")} |`);
    }
    rmSync(path);
  }
} finally {
  rmSync(folder, { recursive: true });
}
