import { OutOfMemoryError, ResidualError } from "@residual/core";

/** Invalid usage of the command line: exit code 2. All other errors have 1. */
export class UsageError extends ResidualError {
  readonly code = "UsageError";
}

/** The error that a command prints: the error itself if it is a ResidualError, else the matching typed error. */
export function typedOf(error: unknown): ResidualError | undefined {
  if (error instanceof ResidualError) return error;
  if (isAllocation(error))
    return new OutOfMemoryError(`${error.message}; give smaller or fewer images, or use a machine with more memory`, {
      cause: error,
    });
  return undefined;
}

/** The messages of V8 and WebAssembly when memory ran out. */
function isAllocation(error: unknown): error is Error {
  return (
    error instanceof RangeError &&
    /allocation failed|could not allocate|invalid (typed )?array (buffer )?length|out of memory/i.test(error.message)
  );
}
