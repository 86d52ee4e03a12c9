import {
  formatShape,
  type ModelName,
  modelNames,
  type ResNetSpec,
  type Shape,
  summarize,
  variants,
} from "@residual/core";
import { knownWeights } from "@residual/weights";
import type { Command } from "commander";
import { command } from "../command.ts";
import { modelNamed } from "../names.ts";
import { bold, columns, dim, type Output, paragraphs, say, table, wrapped } from "../terminal.ts";

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

/** Every model, with its size and the weights known for it. */
export function modelsCommand(): Command {
  return command("models", "list the models, and the weights known for them", ["models", "models --all"])
    .option("--all", "also units, trunks and variants that tests and tutorials use")
    .action(({ all, ...output }: Options) => {
      const models = modelNames.map(describe);
      say(output, models, () => words(models, all ?? false));
    });
}

function describe(name: ModelName): Row {
  const { parameters, macs, input } = summarize(modelNamed(name));
  const weights = knownWeights.filter(({ model }) => model === name).map((known) => known.name);
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
  "CIFAR-10",
  "CIFAR-10, pre-activation",
  "For tests and tutorials",
] as const;

function familyOf(name: ModelName): (typeof families)[number] {
  const row: ResNetSpec = variants[name];
  if (isOddity(name, row)) return "For tests and tutorials";
  if (name.startsWith("keras_")) return "Keras";
  if (row.size === 32) return row.preActivation ? "CIFAR-10, pre-activation" : "CIFAR-10";
  if (row.preActivation) return "ResNet v2, pre-activation";
  if (row.squeeze !== undefined) return "Squeeze-and-excitation";
  if (row.shortcut === "pooled") return "ResNet-D";
  if (row.groups !== undefined) return "ResNeXt";
  return row.widthPerGroup === undefined ? "ResNet" : "Wide ResNet";
}

/** Parts of networks, and variants that nobody trains but to compare libraries. */
function isOddity(name: ModelName, { classes, shortcut }: ResNetSpec): boolean {
  return classes === 0 || shortcut === "padEnd" || /_tutorial_|_s3x3$/.test(name);
}

/** A table for each family, the models that have weights before all. */
function words(models: readonly Row[], all: boolean): readonly string[] {
  const shown = models.filter(
    ({ name, weights }) => all || weights.length > 0 || familyOf(name) !== "For tests and tutorials",
  );
  const ready = shown.filter(({ weights }) => weights.length > 0);
  const others = shown.filter(({ weights }) => weights.length === 0);
  const groups = [
    ["With weights", ready] as const,
    ...families.map((family) => [family, others.filter(({ name }) => familyOf(name) === family)] as const),
  ].filter(([, rows]) => rows.length > 0);
  const listed = groups.flatMap(([, rows]) => rows);
  const cells = listed.map(({ name, parameters, macs, input }) => [name, parameters, macs, formatShape(input)]);
  const [heading, ...lines] = table(["model", "parameters", "multiply-adds", "input"], cells);
  const lineOf = (row: Row) => lines[listed.indexOf(row)]!;
  const tables = groups.map(([title, rows]) => [
    bold(title),
    ...rows.flatMap((row) => [lineOf(row), ...weightLines(row.weights)]),
  ]);
  const hidden = models.length - shown.length;
  const foot = hidden === 0 ? [] : [[dim(`${hidden} more for tests and tutorials: residual models --all`)]];
  return paragraphs([[heading!], ...tables, ...foot]);
}

function weightLines(weights: readonly string[]): readonly string[] {
  if (weights.length === 0) return [];
  return wrapped(weights.join(", "), columns() - 4).map((line) => `    ${dim(line)}`);
}
