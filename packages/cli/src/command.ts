import { styleText } from "node:util";
import {
  checkPreprocessing,
  FormatError,
  type Interpolation,
  interpolations,
  type Preprocessing,
  variants,
  type WorkOptions,
} from "@residual/core";
import { Command, Help, InvalidArgumentError, Option } from "commander";
import { UsageError } from "./errors.ts";
import { oneOf } from "./names.ts";

/** Passed to every command: a signal that Ctrl-C aborts. */
export interface Context {
  readonly signal: NonNullable<WorkOptions["signal"]>;
}

/**
 * A command with the common flags, and with examples in its help. An example is the text after `residual` in a shell.
 */
export function command(name: string, description: string, examples: readonly string[]): Command {
  return withExamples(new Command(name).description(description), examples)
    .option("--json", "print one JSON document on stdout", false)
    .addOption(noColorOption());
}

export function withExamples(command: Command, examples: readonly string[]): Command {
  return command.addHelpText(
    "after",
    ["\nExamples:", ...examples.map((each) => `  $ residual ${each}`), ""].join("\n"),
  );
}

/** Read before the arguments are parsed, since errors about them may have colours too. */
export function noColorOption(): Option {
  return new Option("--no-color", "print without colours, as NO_COLOR=1 does");
}

/** Marks the required options. */
export const help: Partial<Help> = {
  styleTitle: (text) => styleText("bold", text, { validateStream: false }), // commander looks at the stream
  styleCommandText: (text) => styleText("cyan", text, { validateStream: false }),
  styleSubcommandText: (text) => styleText("cyan", text, { validateStream: false }),
  styleOptionText: (text) => styleText("cyan", text, { validateStream: false }),
  optionDescription(option) {
    const description = Help.prototype.optionDescription.call(this, option);
    return option.mandatory ? `${description} (required)` : description;
  },
};

export function backendOption(): Option {
  return new Option(
    "--backend <name>",
    "auto, reference, onnx, webgpu, tfjs …: doctor lists all; or a module that exports one, as ./mine.ts",
  ).default("auto");
}

export function threadsOption(): Option {
  return new Option("--threads <n>", "threads of one run; one per core where not given").argParser(positive);
}

export function prefixOption(): Option {
  return new Option(
    "--prefix <p>",
    "take only weights whose names have this prefix: ema. for a moving average in the file",
  );
}

/** `--max-pixels` of the option `maxPixels`. */
export function flagOf(name: string): string {
  return `--${name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
}

/** A whole number from 1. */
export function positive(text: string): number {
  const value = Number(text);
  if (/^\d+$/.test(text) && Number.isSafeInteger(value) && value >= 1) return value;
  throw new InvalidArgumentError("expected a whole number from 1");
}

/** Options that change single parts of the weights' preprocessing. */
export interface PreprocessingOptions {
  readonly resize?: number;
  readonly crop?: number;
  readonly interpolation?: Interpolation;
  readonly mean?: readonly number[];
  readonly std?: readonly number[];
  readonly scale?: number;
  readonly upright?: true;
  readonly maxPixels?: number;
}

export function withPreprocessing(command: Command): Command {
  return command
    .optionsGroup("Preprocessing, if not that of the weights or the model:")
    .option("--resize <pixels>", "length of the shorter side after the resize", positive)
    .option("--crop <pixels>", "side of the centre crop", positive)
    .option("--interpolation <name>", interpolations.join(", "), (name) => oneOf(name, interpolations, "interpolation"))
    .option("--mean <r,g,b>", "subtracted per channel after the scale", numbers)
    .option("--std <r,g,b>", "divisor per channel after the mean", numbers)
    .option("--scale <n>", "divisor of a byte: 255, or 1 for raw bytes", number)
    .option("--upright", "turn photos as their EXIF orientation says")
    .option("--max-pixels <n>", "the most pixels of a picture, width × height; 178956970 where not given", positive);
}

/** Throws UsageError for numbers that are invalid in any preprocessing. */
export function preprocessingChanges(options: PreprocessingOptions): Partial<Preprocessing> {
  const { resize, crop, interpolation, mean, std, scale, upright } = options;
  const given = Object.entries({ resize, crop, interpolation, mean, std, scale, upright });
  const changes: Partial<Preprocessing> = Object.fromEntries(given.filter(([, value]) => value !== undefined));
  try {
    checkPreprocessing({ ...variants.resnet50.preprocessing, ...changes });
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    throw new UsageError(error.message.replace(/^preprocessing\./, "--"), { cause: error });
  }
  return changes;
}

function number(text: string): number {
  const value = Number(text);
  if (text.trim() !== "" && Number.isFinite(value)) return value;
  throw new InvalidArgumentError(`expected a number, found ${JSON.stringify(text)}`);
}

function numbers(text: string): readonly number[] {
  return text.split(",").map(number);
}
