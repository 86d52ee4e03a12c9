import { formatShape, type Graph, type Shape, type Summary, summarize } from "@residual/core";
import { prepare } from "@residual/pipeline";
import type { Command } from "commander";
import { type Context, command } from "../command.ts";
import { modelNamed, specNamed } from "../names.ts";
import { parseInputShape } from "../shape.ts";
import { bold, type Output, progressBar, say, table } from "../terminal.ts";

interface Options extends Output {
  readonly input?: string;
  readonly weights?: string;
}

/** What a model consists of, layer by layer. With weights, of the model as they fit it. */
export function summaryCommand({ signal }: Context): Command {
  return command("summary", "show a model layer by layer", [
    "summary resnet50",
    "summary resnet50 --input 8x3x256x256 --weights r50.safetensors",
  ])
    .argument("<model>")
    .option("--input <shape>", "batch, channels, height and width, as 1x3x224x224")
    .option("--weights <w>", "a file, known weights or fixture:SALT, to see whether they fit")
    .action(async (model: string, { input, weights, ...output }: Options) => {
      const spec = specNamed(model);
      const { size = 224, inputChannels = 3 } = spec;
      const shape = input === undefined ? [1, inputChannels, size, size] : parseInputShape(input, spec);
      const graph = weights === undefined ? modelNamed(model, shape) : await bound(model, weights, shape, signal);
      const summary = summarize(graph);
      say(output, summary, () => words(summary));
    });
}

async function bound(model: string, weights: string, input: Shape, signal: Context["signal"]): Promise<Graph> {
  const bar = progressBar();
  try {
    return (await prepare({ model, weights, input, signal, onProgress: bar.onProgress })).graph;
  } finally {
    bar.end();
  }
}

function words({ model, input, output, parameters, macs, layers }: Summary): readonly string[] {
  const rows = layers.map((layer) => [layer.name, layer.op, formatShape(layer.shape), layer.parameters, layer.macs]);
  const total = `${parameters.toLocaleString("en-US")} parameters, ${macs.toLocaleString("en-US")} multiply-adds`;
  const heading = `${bold(model)}  ${formatShape(input)} -> ${formatShape(output)}  ${total}`;
  return [heading, "", ...table(["layer", "op", "output", "parameters", "multiply-adds"], rows)];
}
