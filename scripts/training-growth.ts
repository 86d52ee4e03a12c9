/**
 * How a training step's cost grows with the batch and with the image: onnx beside PyTorch, one thread. Draws
 * docs/training-*.svg.
 *
 *   node scripts/training-growth.ts [--python python3]    all points: a quarter of an hour
 *   node scripts/training-growth.ts --draw                the charts anew, from docs/training-growth.json
 *
 * Each point is a run of packages/onnx/scripts/training-step.ts, and is kept in docs/training-growth.json as soon as it
 * is known, so that a run that was stopped goes on where it was.
 */
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { growthChart, type themes } from "./growth-chart.ts";

const { values } = parseArgs({
  options: {
    python: { type: "string", default: "python3" },
    rounds: { type: "string", default: "5" },
    draw: { type: "boolean", default: false },
  },
});

const peers = [
  { peer: "onnx", line: "onnx" },
  { peer: "nchw", line: "PyTorch" },
  { peer: "channels_last", line: "PyTorch, channels last" },
] as const;

interface Point {
  readonly batch: number;
  /** Side of the image, in pixels. */
  readonly size: number;
  /** Seconds of a step. */
  readonly times: {
    readonly [peer in (typeof peers)[number]["peer"]]: { readonly wall: number; readonly cpu: number };
  };
  /** Bytes of two steps. */
  readonly bytes: { readonly onnx: number; readonly nchw: number };
}

const [BATCH, SIZE] = [32, 32];
const batches = [1, 4, 16, 32, 64, 128, 256];
const sizes = [32, 48, 64, 96, 128];

const root = new URL("../", import.meta.url);
const file = new URL("docs/training-growth.json", root);
const known: Point[] = existsSync(file) ? (JSON.parse(readFileSync(file, "utf8")) as Point[]) : [];

function measure(batch: number, size: number): Point {
  const script = new URL("packages/onnx/scripts/training-step.ts", root).pathname;
  const shape = ["--batch", `${batch}`, "--size", `${size}`, "--rounds", values.rounds];
  const words = ["--conditions=@residual/source", script, ...shape, "--python", values.python, "--json"];
  const { status, stdout } = spawnSync(process.execPath, words, {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "inherit"],
  });
  if (status !== 0) throw new Error(`batch ${batch}, ${size} × ${size}: exit code ${status}`);
  return JSON.parse(stdout) as Point;
}

function sweep(): void {
  const points = [...batches.map((batch) => [batch, SIZE] as const), ...sizes.map((size) => [BATCH, size] as const)];
  for (const [batch, size] of points) {
    if (known.some((each) => each.batch === batch && each.size === size)) continue;
    console.error(`batch ${batch}, ${size} × ${size}`);
    known.push(measure(batch, size));
    writeFileSync(file, `${JSON.stringify(known, undefined, 1)}\n`);
  }
}

function chart(along: "batch" | "size", theme: keyof typeof themes): string {
  const some = known.filter(({ batch, size }) => (along === "batch" ? size === SIZE : batch === BATCH));
  const points = some.flatMap((point) =>
    peers.map(({ peer, line }) => {
      const { wall } = point.times[peer];
      return { panel: "cifar_resnet20, one thread", line, at: point[along], ms: (1e3 * wall) / point.batch };
    }),
  );
  const x = {
    batch: `images of a batch, ${SIZE} × ${SIZE} pixels →`,
    size: `side of the image, pixels, batches of ${BATCH} →`,
  }[along];
  return growthChart(
    points,
    peers.map(({ line }) => line),
    { x, y: "↑ ms an image of a step" },
    theme,
  );
}

if (!values.draw) sweep();
for (const along of ["batch", "size"] as const)
  for (const theme of ["light", "dark"] as const)
    writeFileSync(new URL(`docs/training-${along}-${theme}.svg`, root), chart(along, theme));
