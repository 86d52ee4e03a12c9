import {
  AbortError,
  BackendUnavailableError,
  DeviceLostError,
  FormatError,
  OutOfMemoryError,
  ResidualError,
  ShapeError,
  UnsupportedError,
  WeightsError,
} from "@residual/core";

/** An error in a message: classes do not pass between threads and processes. */
export interface SentError {
  readonly kind: string;
  readonly message: string;
  readonly label?: string | undefined;
  readonly stack?: string | undefined;
}

const kinds = {
  AbortError,
  BackendUnavailableError,
  DeviceLostError,
  FormatError,
  OutOfMemoryError,
  UnsupportedError,
  WeightsError,
};

export function sentError(error: unknown): SentError {
  if (error instanceof ShapeError) return { kind: "ShapeError", message: error.message, label: error.label };
  if (error instanceof ResidualError) return { kind: error.code, message: error.message };
  const { message, stack } = error instanceof Error ? error : new Error(String(error));
  return { kind: "Error", message, stack };
}

export function errorOf({ kind, message, label, stack }: SentError): Error {
  if (kind === "ShapeError" && label !== undefined)
    return new ShapeError(label, message.slice(0, -` (${label})`.length));
  if (Object.hasOwn(kinds, kind)) return new kinds[kind as keyof typeof kinds](message);
  return Object.assign(new Error(message), stack === undefined ? {} : { stack });
}
