import { extname } from "node:path";
import { type DrawingDepth, drawGraph, type ThemeName } from "@residual/core";
import { checkPlace, writeAtomic } from "@residual/kit/files";
import { type Command, Option } from "commander";
import { type Context, command } from "../command.ts";
import { UsageError } from "../errors.ts";
import { graphOf } from "../model-graph.ts";
import { modelCalled, specNamed } from "../names.ts";
import { checkNamed } from "../out-path.ts";
import { type Output, say } from "../terminal.ts";

interface Options extends Output {
  readonly to: string;
  readonly weights?: string;
  readonly input?: string;
  readonly depth: "1" | "2" | "3";
  readonly open?: true;
  readonly theme: ThemeName;
  readonly compare?: string;
}

/** Draws a model. With weights, the model is adapted to them. */
export function graphCommand({ signal }: Context): Command {
  return command("graph", "draw a model as an SVG picture: stages, blocks, shortcuts, shapes", [
    "graph resnet50 --to resnet50.svg --theme auto",
    "graph resnet50 --compare resnext50_32x4d --to difference.svg",
  ])
    .argument("<model>")
    .requiredOption("--to <file>", "an .svg file")
    .option("--compare <model>", "colour what another model has more, has not, and has otherwise")
    .addOption(new Option("--depth <n>", "1 stages, 2 blocks, 3 layers").choices(["1", "2", "3"]).default("3"))
    .option("--open", "draw blocks that are alike one by one, instead of once with × 3")
    .addOption(
      new Option("--theme <name>", "auto: as the reader's system is")
        .choices(["light", "dark", "auto"])
        .default("light"),
    )
    .option("--input <shape>", "batch, channels, height and width, as 1x3x224x224")
    .option("--weights <w>", "a file, known weights or fixture:SALT, for a model with as many classes")
    .action(async (model: string, { to, compare, weights, input, depth, open, theme, ...output }: Options) => {
      specNamed(model);
      if (compare !== undefined) modelCalled(compare);
      await checkSvgPath(to);
      const graph = await graphOf(model, { input, weights, signal });
      const other = compare === undefined ? undefined : await graphOf(compare, { input, signal });
      const svg = drawGraph(graph, {
        depth: Number(depth) as DrawingDepth,
        open: open === true,
        theme,
        ...(other && { compare: other }),
      });
      await writeAtomic([{ path: to, pieces: [new TextEncoder().encode(svg)] }], { signal });
      const isSame = svg.includes(">nothing that is drawn differs<"); // the legend's words
      const differing = isSame ? `; nothing that is drawn differs in ${compare}` : ` and what differs in ${compare}`;
      say(output, { model, ...(compare !== undefined && { compare }), to }, () => [
        `${to}: ${model}${compare === undefined ? "" : differing}`,
      ]);
    });
}

/** Checked before work is done. Throws UsageError for another file extension, and errors of `checkPlace`. */
async function checkSvgPath(to: string): Promise<void> {
  checkNamed(to, "--to");
  const ending = extname(to);
  if (ending === "") throw new UsageError(`--to ${to} has no ending; expected .svg`);
  if (ending.toLowerCase() !== ".svg")
    throw new UsageError(`--to ${to} ends in ${ending}; expected .svg, the one format that is drawn here`);
  await checkPlace(to);
}
