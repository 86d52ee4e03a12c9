import { formatShape, sizeOf } from "@residual/core";
import { readWeights } from "@residual/weights";
import type { Command } from "commander";
import { type Context, command, positive, prefixOption } from "../command.ts";
import { shorten, styled } from "../printable.ts";
import { type Described, type Inspection, inspect } from "../tensors/inspect.ts";
import { bold, columns, dim, type Output, paragraphs, progressBar, say, table, wrapped } from "../terminal.ts";

interface Options extends Output {
  readonly prefix?: string;
  readonly tensors?: string;
  readonly top?: number;
}

/** Describes a file of weights: its contents, its model, and its problems. */
export function inspectCommand({ signal }: Context): Command {
  return command("inspect", "tell what a file of weights holds, and which model it fits", [
    "inspect resnet50.pth",
    "inspect model.onnx --json",
  ])
    .argument("<weights>", "a file, a folder of the Hugging Face hub, or a name of known weights")
    .option("--tensors <text>", "show the tensors whose names have this part")
    .option("--top <n>", "tensors to show; all of those that --tensors asks for", positive)
    .addOption(prefixOption())
    .action(async (file: string, options: Options) => {
      const bar = progressBar();
      try {
        const weights = await readWeights(file, { prefix: options.prefix, signal, onProgress: bar.onProgress });
        const found = await inspect(weights, { signal, onProgress: bar.onProgress });
        bar.end();
        say(options, found, () => words(file, found, options));
      } finally {
        bar.end();
      }
    });
}

function words(file: string, found: Inspection, { tensors: part, top }: Options): readonly string[] {
  const { format, scheme, model, classes, preprocessing, tensors, metadata, problems, notes } = found;
  const numbers = tensors.reduce((sum, { shape }) => sum + sizeOf(shape), 0);
  const dtypes = [...new Set(tensors.map(({ dtype }) => dtype))].join(", ");
  const facts: readonly (readonly [string, string])[] = [
    ["format", format ?? "none"],
    ["names", scheme === null ? "unknown" : `those of ${scheme}`],
    ["model", model ?? "unknown"],
    ...(model === null ? [] : [["classes", classes] as const, ["pictures", preprocessing] as const]),
    ["tensors", `${tensors.length}, ${numbers.toLocaleString("en-US")} numbers in all: ${dtypes}`],
  ];
  const said = Object.entries(metadata).map(([key, text]) => [shorten(key, 30), shorten(text, 200)] as const);
  return paragraphs([
    [bold(file), ...entries(facts)],
    ...(said.length > 0 ? [[bold("Metadata"), ...entries(said)]] : []),
    problems.length > 0
      ? [bold("Problems"), ...problems.flatMap((problem) => marked("red", "✗", problem))]
      : marked("green", "✓", "no problems: every number is finite, and no variance is negative"),
    ...(notes.length > 0 ? [notes.flatMap((note) => wrapped(note, columns()).map(dim))] : []),
    tensorTable(
      tensors.filter(({ name }) => name.includes(part ?? "")),
      top ?? (part === undefined ? SHOWN : Infinity),
    ),
  ]);
}

function marked(style: "red" | "green", mark: string, text: string): readonly string[] {
  return wrapped(text, columns() - 2).map((line, i) => `${i === 0 ? styled(style, mark) : " "} ${line}`);
}

/** A line for each key; long texts wrapped and aligned. */
function entries(pairs: readonly (readonly [string, string])[]): readonly string[] {
  const width = Math.max(...pairs.map(([key]) => key.length));
  return pairs.flatMap(([key, text]) =>
    wrapped(text, columns() - width - 2).map((line, i) => `${(i === 0 ? key : "").padEnd(width)}  ${line}`),
  );
}

/** Three columns of numbers, with the blanks before each. */
const NUMBERS = 3 * 11;

/** The number of tensors shown by default. */
const SHOWN = 30;

function tensorTable(all: readonly Described[], top: number): readonly string[] {
  const tensors = all.slice(0, top);
  const several = new Set(tensors.map(({ dtype }) => dtype)).size > 1;
  const widest = Math.max(5, ...tensors.map(({ shape }) => formatShape(shape).length));
  const longest = Math.max(16, columns() - NUMBERS - 2 - widest - (several ? 11 : 0));
  const rows = tensors.map(({ name, shape, dtype, min, max, std }) => [
    process.stdout.isTTY ? ending(name, longest) : name,
    formatShape(shape),
    ...(several ? [dtype] : []),
    ...[min, max, std].map((value) => short(value).padStart(9)),
  ]);
  const more = all.length - tensors.length;
  return [
    ...table(["tensor", "shape", ...(several ? ["dtype"] : []), "      min", "      max", "      std"], rows),
    ...(more > 0
      ? [dim(`… and ${more} more: --top ${all.length}, or --tensors TEXT for those with TEXT in their names`)]
      : []),
  ];
}

/** Shortened at the start: the names of a network's layers begin alike. */
const ending = (name: string, length: number): string =>
  name.length <= length ? name : `…${name.slice(name.length - length + 1)}`;

/** Four significant digits, in at most nine characters. */
export function short(value: number | null): string {
  if (value === null) return "-";
  const text = Number(value.toPrecision(4)).toString();
  return text.length <= 9 ? text : value.toExponential(2);
}
