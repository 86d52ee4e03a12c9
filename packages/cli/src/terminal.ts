import type { Progress, WorkOptions } from "@residual/core";
import { Presets, SingleBar } from "cli-progress";
import stringWidth from "string-width";
import wrapAnsi from "wrap-ansi";
import { printable, printableJson, shorten, styled } from "./printable.ts";

/** The output of a command: JSON only, or text. */
export interface Output {
  readonly json: boolean;
}

/** One JSON document, or lines of text. Nothing else is written to stdout. */
export function say(output: Output, document: unknown, words: () => readonly string[]): void {
  if (output.json) sayJson(JSON.stringify(document, undefined, 2));
  else sayLines(words());
}

/** The text of a JSON document, or of a part of one. */
export function sayJson(json: string, end = "\n"): void {
  process.stdout.write(printableJson(json) + end);
}

/** Lines of text. Text from files cannot break a line or change the terminal. */
export function sayLines(lines: readonly string[]): void {
  process.stdout.write(lines.map((line) => `${printable(line, process.stdout)}\n`).join(""));
}

/**
 * A remark on stderr, so that piped output stays clean. On a terminal it is wrapped between words; in a pipe it stays
 * on one line.
 */
export function remark(text: string): void {
  sayAside(text, process.stderr.isTTY ? process.stderr.columns : Number.POSITIVE_INFINITY);
}

/** A remark of several clauses, wrapped at the terminal's width, or at 80 columns in a pipe. */
export function remarkInLines(text: string): void {
  sayAside(text, process.stderr.columns || 80);
}

function sayAside(text: string, width: number): void {
  const lines = brokenAt(text, width);
  process.stderr.write(lines.map((line) => `${printable(styled("dim", line), process.stderr)}\n`).join(""));
}

/**
 * `code: message` on stderr. A message may end in a list with one indented line for each item. On a terminal,
 * lines are wrapped at its width; in a pipe they are not.
 */
export function complain(code: string, message: string): void {
  const width = process.stderr.isTTY ? process.stderr.columns : Number.POSITIVE_INFINITY;
  const [first = "", ...items] = message.split(/\n(?= {2})/);
  const lines = [
    ...brokenAt(`${code}: ${first}`, width).map((line) => styled("red", line)),
    ...items.flatMap((item) =>
      brokenAt(item.trimStart(), width - 4).map((line, i) => (i === 0 ? "  " : "    ") + line),
    ),
  ];
  process.stderr.write(lines.map((line) => `${printable(line, process.stderr)}\n`).join(""));
}

/** A text in lines of at most `width` columns, but at least 40. Line ends within the text are escaped. */
function brokenAt(text: string, width: number): readonly string[] {
  const shown = printable(text, process.stderr);
  return Number.isFinite(width) ? wrapAnsi(shown, Math.max(40, width)).split("\n") : [shown];
}

export const bold = (text: string): string => styled("bold", text);
export const dim = (text: string): string => styled("dim", text);

/** Columns of a line: the terminal's; 80 in a pipe. */
export function columns(): number {
  return Math.max(40, process.stdout.columns || 80);
}

/** A text in lines of at most `width` columns, broken between words if possible. */
export function wrapped(text: string, width: number): readonly string[] {
  return wrapAnsi(text, width, { hard: true }).split("\n");
}

/** A progress bar on stderr if that is a terminal. `end` clears it, as does the process's exit. */
export interface Bar {
  readonly onProgress: NonNullable<WorkOptions["onProgress"]>;
  /** Clears the bar for lines on stdout, which may be the same terminal; the next progress draws it again. */
  clear(): void;
  end(): void;
}

export function progressBar(): Bar {
  if (!process.stderr.isTTY) return { onProgress: () => {}, clear: () => {}, end: () => {} };
  const format = "{stage} {bar} {percentage} % | {value} of {total} | {eta_formatted} left";
  const bar = new SingleBar(
    {
      format,
      formatValue: (value) => String(Math.floor(value)), // `done` may hold a part of a unit
      clearOnComplete: true,
      gracefulExit: false,
      hideCursor: true,
      barsize: 20,
      stream: process.stderr,
    },
    Presets.shades_classic,
  );
  let last: Progress | undefined;
  const onProgress = (progress: Progress) => {
    const stage = shorten(printable(progress.stage, process.stderr), 30);
    // a stage that goes on where the one before ended keeps the estimate of the time left
    const goesOn = last !== undefined && last.total === progress.total && last.done <= progress.done;
    if (goesOn) bar.update(progress.done, { stage });
    else bar.start(progress.total, progress.done, { stage });
    last = progress;
  };
  const clear = () => {
    bar.stop();
    last = undefined;
  };
  const end = () => {
    process.removeListener("exit", end);
    clear();
  };
  process.once("exit", end); // restores the terminal's cursor
  return { onProgress, clear, end };
}

/** Groups of lines separated by empty lines. */
export function paragraphs(groups: readonly (readonly string[])[]): readonly string[] {
  return groups.flatMap((lines, at) => (at === 0 ? lines : ["", ...lines]));
}

/** Rows under a heading, in columns as wide as needed; columns of numbers are right-aligned. */
export function table(heading: readonly string[], rows: readonly (readonly (string | number)[])[]): readonly string[] {
  const texts = [heading, ...rows.map((row) => row.map(format))];
  const widths = heading.map((_, column) => Math.max(...texts.map((row) => stringWidth(row[column]!))));
  const right = heading.map((_, column) => rows.some((row) => typeof row[column] === "number"));
  const lines = texts.map((row) =>
    row
      .map((cell, column) => {
        const blanks = " ".repeat(widths[column]! - stringWidth(cell));
        return right[column] ? blanks + cell : cell + blanks;
      })
      .join("  ")
      .trimEnd(),
  );
  return [bold(lines[0]!), ...lines.slice(1)];
}

const format = (cell: string | number): string => (typeof cell === "number" ? cell.toLocaleString("en-US") : cell);
