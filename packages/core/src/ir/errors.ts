import { shortMessage } from "./messages.ts";

/** The longest message, in characters. Messages with lists and texts from files use `shortList` and `shortText`. */
const LONGEST = 4000;

/**
 * Error classes, each with a stable `code`: the class's name, so that a line `code: message` reads well. A message
 * holds what was found, what was expected and the way out.
 */
export abstract class ResidualError extends Error {
  abstract readonly code: string;

  /** `rule` is appended to the message, whose length is limited before. */
  constructor(message: string, options?: { cause?: unknown }, rule?: string) {
    const text = shortMessage(message, LONGEST);
    super(rule === undefined ? text : `${text} (${rule})`, options);
  }

  /** The class's name as a text, since minifiers rename classes. */
  override get name(): string {
    return this.code;
  }
}

/**
 * Shapes, names, dtypes or attributes that do not fit together. `label` is the violated constraint of an op's
 * docstring. The message ends with the label in parentheses, for readers who do not know labels.
 */
export class ShapeError extends ResidualError {
  readonly code = "ShapeError";
  readonly label: string;

  constructor(label: string, found: string) {
    super(found, undefined, label);
    this.label = label;
  }
}

/** Weights are missing or do not fit the graph. The message counts the problems, and lists each with what was found. */
export class WeightsError extends ResidualError {
  readonly code = "WeightsError";
}

/** A file, or a part of a file, violates its format. */
export class FormatError extends ResidualError {
  readonly code = "FormatError";
}

/** A valid request that this part of Residual does not support. */
export class UnsupportedError extends ResidualError {
  readonly code = "UnsupportedError";
}

/** A backend's runtime or device is missing. The message names the package to install. */
export class BackendUnavailableError extends ResidualError {
  readonly code = "BackendUnavailableError";
}

/** The device was lost during work. The next compile opens a new device. */
export class DeviceLostError extends ResidualError {
  readonly code = "DeviceLostError";
}

export class OutOfMemoryError extends ResidualError {
  readonly code = "OutOfMemoryError";
}

/** The caller's signal was aborted. `cause` is the signal's reason. */
export class AbortError extends ResidualError {
  readonly code = "AbortError";
}

/**
 * Throws ShapeError with `label` unless `holds`. `found` may be a function if its text is costly: each node of a graph
 * is checked many times.
 */
export function check(holds: boolean, label: string, found: string | (() => string)): asserts holds {
  if (!holds) throw new ShapeError(label, typeof found === "string" ? found : found());
}

/** The part of an AbortSignal that Residual reads, declared here since core does not use the DOM's types. */
export interface Signal {
  readonly aborted: boolean;
  readonly reason: unknown;
  addEventListener(type: "abort", listener: () => void, options?: { once?: boolean }): void;
  removeEventListener(type: "abort", listener: () => void): void;
}

/** Throws an AbortError once the signal is aborted. */
export function throwIfAborted(signal: Signal | undefined): void {
  if (signal?.aborted) throw abortError(signal);
}

export function abortError(signal: Signal): AbortError {
  return new AbortError("the work was aborted by its signal", { cause: signal.reason });
}
