import { ResidualError } from "@residual/core";

/** A request that cannot be answered as it is. `status` is HTTP's. */
export class RequestError extends ResidualError {
  readonly code = "RequestError";
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

/** HTTP's status for each code of core's errors, and of a scheduler's. 499 is nginx's, for a client that has gone. */
const statuses: { readonly [code: string]: number } = {
  AbortError: 499,
  BackendUnavailableError: 422, // the decoder of a picture is not installed here
  DeadlineError: 504,
  DeviceLostError: 503,
  FormatError: 415,
  OutOfMemoryError: 503,
  OverloadedError: 503,
  ShapeError: 400,
  UnavailableError: 503,
  UnsupportedError: 422,
};

/** The status of an error's answer; 500 for a fault of the server or of its weights. */
export function statusOf(error: unknown): number {
  if (error instanceof RequestError) return error.status;
  return error instanceof ResidualError ? (statuses[error.code] ?? 500) : 500;
}

/** Whole seconds after which a client may try again, of an error that says so. */
export function retryAfterOf(error: unknown): number | undefined {
  return error instanceof ResidualError && "retryAfter" in error ? Number(error.retryAfter) : undefined;
}

/** The error's code and message for the client, which learns nothing about the inside of the server. */
export function shownError(error: unknown): { readonly error: string; readonly code: string } {
  if (error instanceof ResidualError) return { error: error.message, code: error.code };
  return { error: "the server failed; its log has the reason under the request's id", code: "InternalError" };
}
