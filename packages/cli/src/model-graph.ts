import type { Graph } from "@residual/core";
import { bindModel, type Identified, identify } from "@residual/pipeline";
import type { Context } from "./command.ts";
import { modelNamed, specNamed } from "./names.ts";
import { parseInputShape } from "./shape.ts";
import { progressBar } from "./terminal.ts";

/**
 * A model by name; default shape: one image. With weights it is bound, and has their number of classes and input
 * channels.
 */
export async function graphOf(
  model: string,
  { input, weights, signal }: Context & { readonly input?: string | undefined; readonly weights?: string | undefined },
): Promise<Graph> {
  const row = specNamed(model);
  const given = input === undefined ? undefined : parseInputShape(input, row);
  const shapeFor = ({ size = 224, inputChannels = 3 } = row) => given ?? [1, inputChannels, size, size];
  if (weights === undefined) return modelNamed(model, shapeFor());
  const identified = await identifiedFor(model, weights, signal);
  return (await bindModel(identified, shapeFor(identified.spec))).graph;
}

async function identifiedFor(model: string, weights: string, signal: Context["signal"]): Promise<Identified> {
  const bar = progressBar();
  try {
    return await identify({ model, weights, signal, onProgress: bar.onProgress });
  } finally {
    bar.end();
  }
}
