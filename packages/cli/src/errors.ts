import { OutOfMemoryError, ResidualError } from "@residual/core";

/** Invalid usage of the command line: exit code 2, where every other error's is 1. */
export class UsageError extends ResidualError {
  readonly code = "UsageError";
}

/** What a command says of an error: the error itself where it is one of ours, else the typed error that fits. */
export function typedOf(error: unknown): ResidualError | undefined {
  if (error instanceof ResidualError) return error;
  if (isAllocation(error))
    return new OutOfMemoryError(`${error.message}; give smaller or fewer images, or use a machine with more memory`, {
      cause: error,
    });
  return undefined;
}

/** How V8 and WebAssembly say that memory ran out. */
function isAllocation(error: unknown): error is Error {
  return (
    error instanceof RangeError &&
    /allocation failed|could not allocate|invalid (typed )?array (buffer )?length|out of memory/i.test(error.message)
  );
}
