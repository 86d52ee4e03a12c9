import {
  formatShape,
  type ModelName,
  modelNames,
  type ResNetSpec,
  type Shape,
  summarize,
  variants,
} from "@residual/core";
import { type KnownWeights, knownWeights, shippedWeights } from "@residual/weights";
import type { Command } from "commander";
import { command } from "../command.ts";
import { modelNamed, noneNear } from "../names.ts";
import { bold, dim, type Output, paragraphs, say, table } from "../terminal.ts";

interface Options extends Output {
  readonly all?: true;
}

interface Row {
  readonly name: ModelName;
  readonly parameters: number;
  readonly macs: number;
  readonly input: Shape;
  readonly weights: readonly string[];
}

/** Lists every model, with its size and its known weights. */
export function modelsCommand(): Command {
  return command("models", "list the models, and the weights known for them", ["models", "models resnet50"])
    .argument("[text]", "a part of the names to list, of all models")
    .option("--all", "also units, trunks and variants that tests and tutorials use")
    .action(async (text: string | undefined, { all, ...output }: Options) => {
      const known = (await knownWeights()).filter(({ refused }) => refused === undefined);
      const names = modelNames.filter((name) => name.includes(text ?? ""));
      const models = names.map((name) => describe(name, known));
      say(output, models, () =>
        models.length === 0 ? [noneNear(text!, modelNames)] : words(models, all ?? text !== undefined),
      );
    });
}

function describe(name: ModelName, known: readonly KnownWeights[]): Row {
  const { parameters, macs, input } = summarize(modelNamed(name));
  const weights = known.filter(({ model }) => model === name).map((each) => each.name);
  return { name, parameters, macs, input: [1, ...input.slice(1)], weights };
}

const families = [
  "ResNet",
  "ResNeXt",
  "Wide ResNet",
  "ResNet-D",
  "Squeeze-and-excitation",
  "ResNet v2, pre-activation",
  "Keras",
  "CIFAR",
  "CIFAR, pre-activation",
  "For tests and tutorials",
] as const;

function familyOf(name: ModelName): (typeof families)[number] {
  const row: ResNetSpec = variants[name];
  if (isOddity(name, row)) return "For tests and tutorials";
  if (name.startsWith("keras_")) return "Keras";
  if (row.size === 32) return row.preActivation ? "CIFAR, pre-activation" : "CIFAR";
  if (row.preActivation) return "ResNet v2, pre-activation";
  if (row.squeeze !== undefined) return "Squeeze-and-excitation";
  if (row.shortcut === "pooled") return "ResNet-D";
  if (row.groups !== undefined) return "ResNeXt";
  return row.widthPerGroup === undefined ? "ResNet" : "Wide ResNet";
}

/** Parts of networks, and variants that only serve comparisons with other libraries. */
function isOddity(name: ModelName, { classes, shortcut }: ResNetSpec): boolean {
  return classes === 0 || shortcut === "padEnd" || /^test_|_tutorial_|_s3x3$/.test(name);
}

/** A table for each family, after the models whose weights ship with the package. */
function words(models: readonly Row[], all: boolean): readonly string[] {
  const isReady = ({ weights }: Row) => weights.includes(shippedWeights.name);
  const shown = models.filter((row) => all || isReady(row) || familyOf(row.name) !== "For tests and tutorials");
  const others = shown.filter((row) => !isReady(row));
  const groups = [
    ["With weights that ship inside", shown.filter(isReady)] as const,
    ...families.map((family) => [family, others.filter(({ name }) => familyOf(name) === family)] as const),
  ].filter(([, rows]) => rows.length > 0);
  const listed = groups.flatMap(([, rows]) => rows);
  const cells = listed.map(({ name, parameters, macs, input, weights }) => {
    const count = weights.length > 0 ? String(weights.length) : "";
    return [name, parameters, macs, formatShape(input), count];
  });
  const [heading, ...lines] = table(["model", "parameters", "multiply-adds", "input", "weights"], cells);
  const tables = groups.map(([title, rows]) => [bold(title), ...rows.map((row) => lines[listed.indexOf(row)]!)]);
  const hidden = models.length - shown.length;
  const foot = [
    dim("weights: how many are known by a name; residual weights list shows them"),
    ...(hidden === 0 ? [] : [dim(`${hidden} more for tests and tutorials: residual models --all`)]),
  ];
  return paragraphs([[heading!], ...tables, foot]);
}
