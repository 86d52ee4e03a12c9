import type { Graph } from "@residual/core";
import { BLOCKED_DOMAIN } from "../../blocked-layout.ts";
import type { Model } from "../../model-proto.ts";
import { type OnnxRuntime, type SessionOptions, StatefulSession } from "../inference.ts";
import { encode } from "../model-source.ts";

const CHANNELS = 64;

/** Two pixels of each channel into blocks of channels. */
const model: Model = {
  name: "blocks",
  nodes: [
    { operator: "ReorderInput", domain: BLOCKED_DOMAIN, name: "y", inputs: ["x"], outputs: ["y"], attributes: {} },
  ],
  inputs: [{ name: "x", shape: [1, CHANNELS, 1, 2] }],
  outputs: [{ name: "y", shape: [1, CHANNELS, 1, 2] }],
  values: [],
  initializers: [],
  variables: [],
  metadata: {},
};

/**
 * The number of channels in a block of onnxruntime's blocked layout: 16 with AVX-512, 8 with AVX2, 1 where it has no
 * such layout. The library does not tell, so a model of one operator shows it: the second pixel of the first channel
 * comes after one block.
 */
export async function blockSize(runtime: OnnxRuntime, options: SessionOptions): Promise<number> {
  try {
    const session = await StatefulSession.create(runtime, { model: encode(model) }, options);
    const numbers = Float32Array.from({ length: 2 * CHANNELS }, (_, i) => i);
    const { y } = await session.run({ x: { shape: [1, CHANNELS, 1, 2], data: numbers } });
    await session.release();
    return Math.max(y!.data.indexOf(1), 1);
  } catch {
    return 1; // a library without the operator
  }
}

/** Whether a graph's weights change from run to run: for constant weights, onnxruntime uses blocks by itself. */
export function isTraining({ updates }: Graph): boolean {
  return updates.length > 0;
}
