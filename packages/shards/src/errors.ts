import { ResidualError } from "@residual/core";

/** The folder of a job cannot be used: it holds another job, none, or one that another process works on. */
export class JobError extends ResidualError {
  readonly code = "JobError";
}

/** A picture is not the file any more that it was when the job was prepared. */
export class ChangedError extends ResidualError {
  readonly code = "ChangedError";
}

/** An address could not be fetched, after several attempts. */
export class FetchError extends ResidualError {
  readonly code = "FetchError";
}

/** An error of a worker process, with its code: classes do not pass between processes. */
export class WorkerError extends ResidualError {
  readonly code: string;

  constructor({ code, message }: { readonly code: string; readonly message: string }) {
    super(message);
    this.code = code;
  }
}
