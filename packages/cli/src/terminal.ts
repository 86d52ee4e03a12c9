import { styleText } from "node:util";
import type { Progress, WorkOptions } from "@residual/core";
import { Presets, SingleBar } from "cli-progress";

/** Where a command says what it found: JSON alone, or words for people. */
export interface Output {
  readonly json: boolean;
}

/** One JSON document, or the words. Nothing else is ever written to stdout. */
export function say(output: Output, document: unknown, words: () => string): void {
  process.stdout.write(`${output.json ? JSON.stringify(document, undefined, 2) : words()}\n`);
}

/** An aside for people: on stderr, so that what is piped on stays clean. */
export function remark(text: string): void {
  process.stderr.write(`${styleText("dim", text, { stream: process.stderr })}\n`);
}

export function bold(text: string): string {
  return styleText("bold", text, { stream: process.stdout });
}

export function dim(text: string): string {
  return styleText("dim", text, { stream: process.stdout });
}

/**
 * A progress bar on a terminal's stderr; nothing where it is no terminal. `end` clears it, and so does the process's.
 */
export interface Bar {
  readonly onProgress: NonNullable<WorkOptions["onProgress"]>;
  end(): void;
}

export function progressBar(): Bar {
  if (!process.stderr.isTTY) return { onProgress: () => {}, end: () => {} };
  const format = "{stage} {bar} {percentage} % | {value} of {total} | {eta_formatted} left";
  const bar = new SingleBar(
    { format, clearOnComplete: true, gracefulExit: false, hideCursor: true, stream: process.stderr },
    Presets.shades_classic,
  );
  let stage: string | undefined;
  const onProgress = (progress: Progress) => {
    if (progress.stage !== stage) bar.start(progress.total, progress.done, { stage: progress.stage });
    else bar.update(progress.done);
    stage = progress.stage;
  };
  const end = () => {
    process.removeListener("exit", end);
    bar.stop();
  };
  process.once("exit", end); // a terminal must not be left without its cursor
  return { onProgress, end };
}

/** Rows under a heading, in columns as wide as they need; columns of numbers are aligned on the right. */
export function table(heading: readonly string[], rows: readonly (readonly (string | number)[])[]): string {
  const texts = [heading, ...rows.map((row) => row.map(format))];
  const widths = heading.map((_, column) => Math.max(...texts.map((row) => row[column]!.length)));
  const right = heading.map((_, column) => rows.some((row) => typeof row[column] === "number"));
  const lines = texts.map((row) =>
    row
      .map((cell, column) => (right[column] ? cell.padStart(widths[column]!) : cell.padEnd(widths[column]!)))
      .join("  ")
      .trimEnd(),
  );
  return [bold(lines[0]!), ...lines.slice(1)].join("\n");
}

const format = (cell: string | number): string => (typeof cell === "number" ? cell.toLocaleString("en-US") : cell);
