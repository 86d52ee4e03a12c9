import { join } from "node:path";
import { bind, FormatError, fixtureWeights, formatShape } from "@residual/core";
import { cacheFolder, checkPlace, makeFolder } from "@residual/kit/files";
import { backendNamed } from "@residual/pipeline";
import type { TunedLayer, WebgpuBackend } from "@residual/webgpu";
import type { Command } from "commander";
import { type Context, command, positive } from "../command.ts";
import { modelNamed, specNamed } from "../names.ts";
import { type Output, paragraphs, progressBar, remarkInLines, say, table } from "../terminal.ts";

interface Options extends Output {
  readonly batch: number;
}

interface Tuned {
  readonly model: string;
  readonly device: string;
  readonly batch: number;
  readonly layers: readonly TunedLayer[];
}

/** Measures the fastest kernels for each layer on this machine's adapter, and stores them for later use. */
export function tuneCommand({ signal }: Context): Command {
  return command("tune", "find the quickest WebGPU kernels for this adapter, layer by layer, and keep them", [
    "tune",
    "tune resnet50 --batch 8",
  ])
    .argument("[model...]", "resnet18, resnet50 and resnext50_32x4d where none is given")
    .option("--batch <n>", "images of one run", positive, 1)
    .action(async (models: string[], options: Options) => {
      const names = models.length > 0 ? models : ["resnet18", "resnet50", "resnext50_32x4d"];
      for (const name of names) specNamed(name);
      await checkCache();
      // which stores the result for all commands
      const backend = (await backendNamed("webgpu", { onWarning: remarkInLines })) as WebgpuBackend;
      const { device } = await backend.describe();
      const bar = progressBar();
      const tuned: Tuned[] = [];
      try {
        for (const model of names) {
          const { size = 224, inputChannels = 3 } = specNamed(model);
          const open = modelNamed(model, [options.batch, inputChannels, size, size]);
          const graph = bind(open, fixtureWeights(open, "v1")); // timings do not depend on the values of weights
          const layers = await backend.tune(graph, { signal, onProgress: bar.onProgress });
          tuned.push({ model, device, batch: options.batch, layers });
        }
      } finally {
        bar.end();
      }
      say(options, tuned, () => paragraphs(tuned.map(words)));
    });
}

/** Checked before work is done: throws FormatError if the findings cannot be stored. */
async function checkCache(): Promise<void> {
  const folder = cacheFolder();
  if (folder === undefined)
    throw new FormatError("there is no home folder to keep the findings in; set XDG_CACHE_HOME to a folder");
  try {
    await makeFolder(folder);
    await checkPlace(join(folder, "webgpu.json"));
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new FormatError(`the findings cannot be kept (${reason}); set XDG_CACHE_HOME to a folder`, { cause });
  }
}

function words({ model, device, batch, layers }: Tuned): readonly string[] {
  const sum = (of: "before" | "after") => layers.reduce((total, layer) => total + layer.count * layer[of].ms, 0);
  const rows = layers
    .toSorted((a, b) => b.count * b.before.ms - a.count * a.before.ms)
    .map(({ name, count, shape, before, after, tried }) => [
      name,
      count,
      formatShape(shape),
      before.ms.toFixed(3),
      after.ms.toFixed(3),
      tried.length,
      after.kernels === before.kernels ? before.kernels : `${after.kernels} (was ${before.kernels})`,
    ]);
  const [before, after] = [sum("before"), sum("after")];
  const gain = `${before.toFixed(1)} ms before, ${after.toFixed(1)} after: ${(before / after).toFixed(2)} times as quick`;
  const heading = `${model}, batch ${batch}, on ${device}: ${gain}, its convolutions and linear layers alone`;
  return [
    heading,
    "",
    ...table(["layer", "times", "output", "before, ms", "after, ms", "tried", "kernels and workgroups"], rows),
  ];
}
