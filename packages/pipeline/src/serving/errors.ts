import { ResidualError } from "@residual/core";

/** The work was refused: the queue is full, or the predicted latency exceeds the deadline. HTTP's 503. */
export class OverloadedError extends ResidualError {
  readonly code = "OverloadedError";
  /** Whole seconds after which the work is likely to be accepted, at least 1. HTTP's Retry-After. */
  readonly retryAfter: number;

  constructor(found: string, retryAfterMs: number) {
    const seconds = Math.max(1, Math.ceil(retryAfterMs / 1000));
    super(`${found}; try again in ${seconds} s`);
    this.retryAfter = seconds;
  }
}

/** The model or the serving takes no more work: it is being unloaded, or was closed. HTTP's 503. */
export class UnavailableError extends ResidualError {
  readonly code = "UnavailableError";
}

/** The deadline passed before the work started. HTTP's 504. */
export class DeadlineError extends ResidualError {
  readonly code = "DeadlineError";
}
