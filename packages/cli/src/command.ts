import {
  checkPreprocessing,
  FormatError,
  type Interpolation,
  interpolations,
  type Preprocessing,
  variants,
  type WorkOptions,
} from "@residual/core";
import { Command, InvalidArgumentError, Option } from "commander";
import { UsageError } from "./errors.ts";
import { oneOf } from "./names.ts";

/** What every command gets: a signal that Ctrl-C aborts. */
export interface Context {
  readonly signal: NonNullable<WorkOptions["signal"]>;
}

/** A command with the flag that all of them have. */
export function command(name: string, description: string): Command {
  return new Command(name).description(description).option("--json", "print one JSON document on stdout", false);
}

export function backendOption(): Option {
  return new Option(
    "--backend <name>",
    "auto, onnx, webgpu, tfjs, tfjs-wasm … (doctor lists all), reference, or a module that exports one: ./mine.ts",
  ).default("auto");
}

export function threadsOption(): Option {
  return new Option("--threads <n>", "threads of one run; one per core where not given").argParser(positive);
}

/** A whole number from 1. */
export function positive(text: string): number {
  const value = Number(text);
  if (/^\d+$/.test(text) && Number.isSafeInteger(value) && value >= 1) return value;
  throw new InvalidArgumentError("expected a whole number from 1");
}

/** The options that change, one by one, the preprocessing that comes with the weights. */
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
    .option("--resize <pixels>", "what the shorter side becomes", positive)
    .option("--crop <pixels>", "side of the square cut from the middle", positive)
    .option("--interpolation <name>", interpolations.join(", "), (name) => oneOf(name, interpolations, "interpolation"))
    .option("--mean <r,g,b>", "taken off, after the scale", numbers)
    .option("--std <r,g,b>", "divided by, after the mean", numbers)
    .option("--scale <n>", "what a byte is divided by: 255, or 1 for raw bytes", number)
    .option("--upright", "turn photos as their EXIF data says")
    .option("--max-pixels <n>", "the most pixels of a picture, width × height; 178956970 where not given", positive);
}

/** Throws UsageError for numbers that no preprocessing can have, whatever they are to change. */
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
  throw new InvalidArgumentError(`${JSON.stringify(text)} is no number`);
}

function numbers(text: string): readonly number[] {
  return text.split(",").map(number);
}
