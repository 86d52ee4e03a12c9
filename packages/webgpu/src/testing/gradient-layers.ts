import { differentiate, graph, input, ops, type Tensor, variable } from "@residual/core";
import { describe, expect, it } from "vitest";
import type { WebgpuBackend } from "../index.ts";
import { expectRunsAlike, pattern } from "./variable-layers.ts";

interface Layer {
  /** The image's shape. */
  readonly x: readonly number[];
  readonly weight: readonly number[];
  readonly stride?: number | readonly [number, number];
  readonly padding?: number | readonly [number, number, number, number];
  readonly dilation?: number;
  readonly groups?: number;
}

/** Layers for each family of kernels, and for each edge of a gradient. */
const layers: { readonly [name: string]: Layer } = {
  "1 × 1": { x: [2, 16, 6, 6], weight: [32, 16, 1, 1] },
  "1 × 1 of odd sizes": { x: [3, 6, 5, 5], weight: [7, 6, 1, 1] },
  "1 × 1, two down": { x: [2, 16, 7, 6], weight: [32, 16, 1, 1], stride: 2 },
  "3 × 3": { x: [2, 36, 12, 13], weight: [68, 36, 3, 3], padding: 1 },
  "3 × 3 of one pixel": { x: [3, 36, 1, 1], weight: [32, 36, 3, 3], padding: 1 },
  "3 × 3 without padding": { x: [2, 32, 7, 9], weight: [36, 32, 3, 3] },
  "3 × 3, two down": { x: [2, 32, 16, 16], weight: [36, 32, 3, 3], stride: 2, padding: 1 },
  "3 × 3, two down, of odd sizes": { x: [2, 5, 7, 9], weight: [6, 5, 3, 3], stride: 2, padding: 1 },
  "3 × 3, two down, to the right only": { x: [2, 32, 8, 9], weight: [32, 32, 3, 3], stride: [1, 2], padding: 1 },
  "3 × 3, three down": { x: [2, 8, 9, 9], weight: [8, 8, 3, 3], stride: 3, padding: 1 },
  "3 × 3 with gaps": { x: [2, 32, 9, 9], weight: [32, 32, 3, 3], dilation: 2, padding: 2 },
  "3 × 3 in groups of 4": { x: [2, 32, 16, 16], weight: [32, 4, 3, 3], groups: 8, padding: 1 },
  "3 × 3 in groups of 8, two down": { x: [2, 32, 16, 16], weight: [32, 8, 3, 3], groups: 4, stride: 2, padding: 1 },
  "3 × 3 in groups of 3": { x: [2, 6, 8, 8], weight: [6, 3, 3, 3], groups: 2, padding: 1 },
  "3 × 3 of each channel": { x: [2, 6, 8, 8], weight: [6, 1, 3, 3], groups: 6, padding: 1 },
  "7 × 7 of 3 channels, two down": { x: [2, 3, 21, 20], weight: [64, 3, 7, 7], stride: 2, padding: 3 },
  "2 × 2 with more padding than taps": { x: [2, 8, 5, 5], weight: [8, 8, 2, 2], stride: 2, padding: [2, 1, 0, 1] },
  "1 × 1 with padding": { x: [2, 8, 5, 5], weight: [8, 8, 1, 1], padding: 1 },
  linear: { x: [3, 20], weight: [10, 20] },
};

/** The gradients of a layer by its input and by its weight, which follows an input from run to run. */
function backward(layer: Layer): {
  of: ReturnType<typeof graph>;
  inputs: (run: number) => { [name: string]: Tensor<"float32"> };
} {
  const { x: shape, weight: weights, ...options } = layer;
  const [x, next] = [input("x", shape), input("next", weights)];
  const weight = variable("weight", pattern(weights, 1));
  const y = weights.length === 2 ? ops.linear({ x, weight }) : ops.conv2d({ x, weight }, options);
  const forward = graph({
    name: "layer",
    inputs: { x, next },
    outputs: { y },
    updates: [{ variable: weight, value: next }],
  });
  const of = differentiate(forward, { of: "y", by: ["x", "weight"], seed: "dy" });
  const inputs = (run: number) => ({
    x: pattern(shape, 10 * run + 3),
    next: pattern(weights, 10 * run + 4),
    dy: pattern(y.shape as readonly number[], 10 * run + 5),
  });
  return { of, inputs };
}

/** Tests a backend's gradients of layers, which are whole numbers, and that each pattern matches a kernel that ran. */
export function computesGradients(name: string, backend: WebgpuBackend, kinds: readonly RegExp[]): void {
  describe(`gradients of layers: ${name}`, () => {
    const used = new Set<string>();
    it.each(Object.entries(layers))("%s", async (_, layer) => {
      const { of, inputs } = backward(layer);
      for (const program of await expectRunsAlike(backend, of, [inputs(1), inputs(2)])) used.add(program);
    });

    it("ran on kernels of all kinds", () => {
      for (const kind of kinds) expect([...used]).toContainEqual(expect.stringMatching(kind));
    });
  });
}
