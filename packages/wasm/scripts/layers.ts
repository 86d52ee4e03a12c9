/**
 * Measures the time of each strategy for 3 × 3 layers, by phase, next to the estimated cost that chooses it.
 *
 *   node --conditions=@residual/source scripts/layers.ts                     the four of ResNet-18
 *   node --conditions=@residual/source scripts/layers.ts --layers 64@112,512@7 --images 8 --instructions "mul and add"
 *
 * Strategies take turns. Milliseconds of an image are wall time, the least of 40 rounds.
 */
import { parseArgs } from "node:util";
import type { ConvolutionLayer } from "../src/convolution/layer.ts";
import { strategiesFor } from "../src/convolution/strategies.ts";
import type { Strategy } from "../src/convolution/strategy.ts";
import type { Instructions } from "../src/encode/function.ts";
import { LayerRun } from "../src/testing/layer-run.ts";

const { values } = parseArgs({
  options: {
    layers: { type: "string", default: "64@56,128@28,256@14,512@7" },
    images: { type: "string", default: "1" },
    instructions: { type: "string", default: "relaxed madd" },
    rounds: { type: "string", default: "40" },
  },
});
const images = Number(values.images);
const instructions: Instructions = values.instructions === "mul and add" ? "mul and add" : "relaxed madd";
const target = { instructions, isShared: false };

function layerOf(channels: number, side: number): ConvolutionLayer {
  const y = { order: "quads", channels, height: side, width: side, border: [1, 1, 1, 1] } as const;
  const attributes = {
    stride: [1, 1],
    padding: [1, 1, 1, 1],
    dilation: [1, 1],
    groups: 1,
    relu: true,
  } as const;
  return { x: { ...y, border: [0, 0, 0, 0] }, y, residual: y, images, hasBias: true, kernel: [3, 3], attributes };
}

function numbers(length: number): Float32Array {
  return Float32Array.from({ length }, (_, i) => (i % 17) / 17);
}

interface Timed {
  readonly strategy: Strategy;
  readonly run: LayerRun;
  best: number;
  readonly phases: Map<string, number>;
}

/** V8 optimizes meanwhile. */
async function warmUp({ run }: Timed): Promise<void> {
  for (let i = 0; i < 10; i++) {
    run.run();
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

function time({ run, phases }: Timed): number {
  const start = performance.now();
  let before = start;
  const now = new Map<string, number>();
  run.run((phase) => {
    const after = performance.now();
    now.set(phase, (now.get(phase) ?? 0) + after - before);
    before = after;
  });
  for (const [phase, taken] of now) phases.set(phase, Math.min(phases.get(phase) ?? Infinity, taken));
  return before - start;
}

for (const text of values.layers.split(",")) {
  const [channels = Number.NaN, side = Number.NaN] = text.split("@").map(Number);
  const layer = layerOf(channels, side);
  const given = {
    x: numbers(images * channels * side * side),
    weight: numbers(channels * channels * 9),
    bias: numbers(channels),
    residual: numbers(images * channels * side * side),
  };
  const all: Timed[] = [];
  for (const strategy of strategiesFor(layer, { ...target, winograd: true })) {
    if (strategy.name === "plain") continue;
    all.push({
      strategy,
      run: await LayerRun.load(strategy, layer, target, given, images),
      best: Infinity,
      phases: new Map(),
    });
  }
  for (const each of all) await warmUp(each);
  for (let round = 0; round < Number(values.rounds); round++)
    for (const each of all) each.best = Math.min(each.best, time(each));
  for (const { strategy, best, phases } of all) {
    const ms = best / images;
    const rate = (channels * channels * 9 * side * side) / ms / 1e6;
    const parts = [...phases].map(([phase, taken]) => `${phase} ${(taken / images).toFixed(3)}`).join(", ");
    const cost = (strategy.cost / 1e6).toFixed(2);
    console.log(
      `${text}  ${strategy.name.padEnd(16)} ${ms.toFixed(2)} ms, cost ${cost}, ${rate.toFixed(1)} GMAC/s: ${parts}`,
    );
  }
}
