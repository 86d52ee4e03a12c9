import { ResidualError } from "@residual/core";

/** The words of a command are wrong: exit code 2, where every other error's is 1. */
export class UsageError extends ResidualError {
  readonly code = "UsageError";
}
