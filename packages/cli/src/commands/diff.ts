import { formatShape } from "@residual/core";
import type { Command } from "commander";
import { type Context, command, positive } from "../command.ts";
import { shorten } from "../printable.ts";
import { type Comparison, compare } from "../tensors/compare.ts";
import { bold, columns, dim, type Output, paragraphs, progressBar, say, table, wrapped } from "../terminal.ts";
import { short } from "./inspect.ts";

interface Options extends Output {
  readonly model?: string;
  readonly top: number;
  readonly exitCode?: true;
}

/** Compares two files of weights, in any format and with any names. */
export function diffCommand({ signal }: Context): Command {
  return command("diff", "compare two files of weights tensor by tensor", [
    "diff before.safetensors after.safetensors",
    "diff resnet50.pth resnet50.onnx --exit-code",
  ])
    .argument("<a>", "a file, known weights or fixture:SALT")
    .argument("<b>", "the same")
    .option("--model <name>", "the model whose names the tensors get; told by the files where not given")
    .option("--top <n>", "tensors to show, those that changed most first", positive, 20)
    .option("--exit-code", "exit with 1 where the files differ")
    .action(async (a: string, b: string, { model, top, exitCode, ...output }: Options) => {
      const bar = progressBar();
      try {
        const found = await compare([a, b], model, { signal, onProgress: bar.onProgress });
        bar.end();
        say(output, { a, b, ...found }, () => words(a, b, found, top));
        if (exitCode && !found.identical) process.exitCode = 1;
      } finally {
        bar.end();
      }
    });
}

function words(a: string, b: string, found: Comparison, top: number): readonly string[] {
  const { tensors, onlyInA, onlyInB, misshapen, model, identical, notes } = found;
  const changed = tensors.filter(({ differing }) => differing > 0);
  const names = model === null ? "under the names in the files" : `as tensors of ${model}`;
  if (identical) return [`${tensors.length} tensors are the same, number by number (compared ${names})`];
  return paragraphs([
    [
      `${changed.length} of ${tensors.length} tensors differ (compared ${names})`,
      ...notes.flatMap((note) => wrapped(note, columns()).map(dim)),
    ],
    ...(changed.length > 0 ? [changes(changed, top)] : []),
    ...only(`Only in ${a}`, onlyInA, top),
    ...only(`Only in ${b}`, onlyInB, top),
    ...only(
      "Of another shape",
      misshapen.map(({ name, a: one, b: other }) => `${name}  ${formatShape(one)} and ${formatShape(other)}`),
      top,
    ),
  ]);
}

function changes(changed: Comparison["tensors"], top: number): readonly string[] {
  const rows = changed
    .slice(0, top)
    .map(({ name, shape, differing, largest, relative, size }) => [
      shorten(name, Math.max(16, columns() - 50)),
      formatShape(shape),
      `${((100 * differing) / size).toFixed(1)} %`.padStart(9),
      short(largest).padStart(9),
      short(relative).padStart(9),
    ]);
  const more = changed.length - rows.length;
  return [
    ...table(["tensor", "shape", "differing", "  largest", " relative"], rows),
    ...(more > 0 ? [dim(`… and ${more} more; --top ${changed.length} shows all`)] : []),
    dim("largest: of one number; relative: root mean square of the change over that of the first"),
  ];
}

function only(heading: string, names: readonly string[], top: number): readonly (readonly string[])[] {
  if (names.length === 0) return [];
  const more = names.length - top;
  const lines = names.slice(0, top).map((name) => `  ${shorten(name, columns() - 2)}`);
  return [[bold(`${heading}: ${names.length}`), ...lines, ...(more > 0 ? [dim(`  … and ${more} more`)] : [])]];
}
