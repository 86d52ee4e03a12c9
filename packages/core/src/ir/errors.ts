import { shortMessage } from "./messages.ts";

/** No message is longer, in characters. Those that show lists and texts of files use `shortList` and `shortText`. */
const LONGEST = 4000;

/**
 * What can go wrong, as classes with a stable `code` (the class's name, so that a line `code: message` reads well). A
 * message holds what was found, what was expected and the way out.
 */
export abstract class ResidualError extends Error {
  abstract readonly code: string;

  /** `rule` comes after the message, however long that is. */
  constructor(message: string, options?: { cause?: unknown }, rule?: string) {
    const text = shortMessage(message, LONGEST);
    super(rule === undefined ? text : `${text} (${rule})`, options);
  }

  /** The code: minifiers change the names of classes. */
  override get name(): string {
    return this.code;
  }
}

/**
 * Shapes, names, dtypes or attributes that do not fit together. `label` is the broken constraint, as in an op's
 * docstring; the message ends with it in parentheses, so that it reads well for people who do not know the labels.
 */
export class ShapeError extends ResidualError {
  readonly code = "ShapeError";
  readonly label: string;

  constructor(label: string, found: string) {
    super(found, undefined, label);
    this.label = label;
  }
}

/** Weights that are not there, or do not fit a graph: problems are counted, and listed with what was found. */
export class WeightsError extends ResidualError {
  readonly code = "WeightsError";
}

/** A file, or a piece of one, that is not what its format says. */
export class FormatError extends ResidualError {
  readonly code = "FormatError";
}

/** Something well formed that this part of Residual cannot do. */
export class UnsupportedError extends ResidualError {
  readonly code = "UnsupportedError";
}

/** A backend's runtime or device is missing; the message names what to install. */
export class BackendUnavailableError extends ResidualError {
  readonly code = "BackendUnavailableError";
}

/** The device went away in mid work. The next compile gets a new one. */
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
 * Refuses with the label of the constraint that does not hold. `found` may be a function where its text takes time:
 * each node of a graph is checked many times.
 */
export function check(holds: boolean, label: string, found: string | (() => string)): asserts holds {
  if (!holds) throw new ShapeError(label, typeof found === "string" ? found : found());
}

/** The part of an AbortSignal that Residual reads: core knows no DOM. */
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
