import { ResidualError } from "@residual/core";

/** Invalid usage of the command line: exit code 2, where every other error's is 1. */
export class UsageError extends ResidualError {
  readonly code = "UsageError";
}
