import type { Graph, Shape } from "@residual/core";
import { prepare } from "@residual/pipeline";
import type { Context } from "./command.ts";
import { modelNamed, specNamed } from "./names.ts";
import { parseInputShape } from "./shape.ts";
import { progressBar } from "./terminal.ts";

/** A model by its name, for one image where no shape is given; bound where weights are. */
export async function graphOf(
  model: string,
  { input, weights, signal }: Context & { readonly input?: string | undefined; readonly weights?: string | undefined },
): Promise<Graph> {
  const spec = specNamed(model);
  const { size = 224, inputChannels = 3 } = spec;
  const shape = input === undefined ? [1, inputChannels, size, size] : parseInputShape(input, spec);
  return weights === undefined ? modelNamed(model, shape) : bound(model, weights, shape, signal);
}

async function bound(model: string, weights: string, input: Shape, signal: Context["signal"]): Promise<Graph> {
  const bar = progressBar();
  try {
    return (await prepare({ model, weights, input, signal, onProgress: bar.onProgress })).graph;
  } finally {
    bar.end();
  }
}
