/**
 * How cost grows with the batch and with the image: measures webgpu beside onnxruntime's own WebGPU engine, and draws
 * docs/scaling-*.svg.
 *
 *   node scripts/scaling.ts                                        all points: about an hour on a software adapter
 *   node scripts/scaling.ts --models resnet18 --batches 1,2 --sizes 64
 *   node scripts/scaling.ts --draw                                 the charts anew, from docs/scaling.json
 *
 * Each point is a `residual bench` of its own, and is kept in docs/scaling.json as soon as it is known, so that a run
 * that was stopped goes on where it was; a point that is there is measured anew where --again is given. Adapters are
 * chosen as ever (VK_ICD_FILENAMES).
 */
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { growthChart, type themes } from "./growth-chart.ts";

const { values } = parseArgs({
  options: {
    models: { type: "string", default: "resnet18,resnet50" },
    batches: { type: "string", default: "1,2,4,8,16" },
    sizes: { type: "string", default: "64,96,128,192,224,320,448" },
    rounds: { type: "string", default: "5" },
    again: { type: "boolean", default: false },
    draw: { type: "boolean", default: false },
  },
});

/** What `residual bench` calls its candidates, and what they are to people. */
const candidates = { webgpu: "residual", "onnxruntime-node-webgpu": "onnxruntime's webgpu" } as const;

type Candidate = keyof typeof candidates;

interface Cost {
  readonly wall: number;
  readonly cpu: number;
}

/** Medians of one candidate on one model. Milliseconds of a run; undefined where it could not run. */
interface Point {
  readonly model: string;
  readonly candidate: Candidate;
  readonly batch: number;
  /** Side of the image, in pixels. */
  readonly size: number;
  readonly median?: Cost;
  /** Why there is no median. */
  readonly message?: string;
}

const root = new URL("../", import.meta.url);
const file = new URL("docs/scaling.json", root);

const known: Point[] = existsSync(file) ? (JSON.parse(readFileSync(file, "utf8")) as Point[]) : [];

const numbers = (text: string) => text.split(",").map(Number);
const isAt = (model: string, batch: number, size: number) => (point: Point) =>
  point.model === model && point.batch === batch && point.size === size;

function measure(model: string, batch: number, size: number, candidate: readonly Candidate[]): readonly Point[] {
  const peers = candidate.includes("onnxruntime-node-webgpu") ? ["--peers", "onnxruntime-node-webgpu"] : [];
  const shape = ["--batch", `${batch}`, "--size", `${size}`];
  const turns = ["--rounds", values.rounds, "--times", "1", "--loads", "1"];
  const words = ["bench", model, "--backends", "webgpu", ...peers, ...shape, ...turns, "--json"];
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [new URL("packages/cli/bin/residual.js", root).pathname, ...words],
    { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"], maxBuffer: 2 ** 26 },
  );
  if (status === 0) {
    const rows = JSON.parse(stdout) as { readonly candidate: Candidate; readonly median: Cost }[];
    return rows.map(({ candidate: name, median }) => ({ model, candidate: name, batch, size, median }));
  }
  const message = stderr.trim().split("\n").at(-1) ?? "";
  if (status === null || status > 128) throw new Error(message); // stopped
  return [{ model, candidate: candidate[0]!, batch, size, message }];
}

function sweep(): void {
  const models = values.models.split(",");
  const points = models.flatMap((model) => [
    ...numbers(values.batches).map((batch) => [model, batch, 224] as const),
    ...numbers(values.sizes).map((size) => [model, 1, size] as const),
  ]);
  const once = [...new Map(points.map((point) => [point.join(), point])).values()];
  for (const [done, [model, batch, size]] of once.entries()) {
    const is = isAt(model, batch, size);
    if (known.some(is) && !values.again) continue;
    console.error(`${done + 1} of ${once.length}: ${model}, batch ${batch}, ${size} × ${size}`);
    const found = measure(model, batch, size, ["webgpu", "onnxruntime-node-webgpu"]);
    for (const { message } of found) if (message) console.error(message);
    known.splice(0, known.length, ...known.filter((point) => !is(point)), ...found);
    writeFileSync(file, `${JSON.stringify(known, undefined, 1)}\n`);
  }
}

/** One chart: a panel for each model, a line for each candidate, milliseconds of wall time for an image. */
function chart(along: "batch" | "size", theme: keyof typeof themes): string {
  const points = known
    .filter(({ batch, size, median }) => median && (along === "batch" ? size === 224 : batch === 1))
    .map((point) => ({
      panel: point.model,
      line: candidates[point.candidate],
      at: point[along],
      ms: point.median!.wall / point.batch,
    }));
  const x = along === "batch" ? "images of a batch, 224 × 224 pixels →" : "side of the image, pixels →";
  return growthChart(points, Object.values(candidates), { x, y: "↑ ms an image" }, theme);
}

if (!values.draw) sweep();
for (const along of ["batch", "size"] as const)
  for (const theme of ["light", "dark"] as const)
    writeFileSync(new URL(`docs/scaling-${along}-${theme}.svg`, root), chart(along, theme));
