import { ResidualError } from "@residual/core";

/** An error as it is shown, and as it crosses from a worker: the class is lost there, the code is not. */
export interface Problem {
  readonly code: string;
  readonly message: string;
}

/** How browsers report that a script or a file of the page could not be fetched. */
const NOT_FETCHED = /dynamically imported module|failed to fetch|networkerror|load failed|importing a module script/i;

export function problemOf(error: unknown): Problem {
  if (!(error instanceof Error)) return { code: "InternalError", message: String(error) };
  const { message } = error;
  const code = error instanceof ResidualError || error instanceof RemoteError ? error.code : "InternalError";
  const canBeFetched = code === "InternalError" || code === "BackendUnavailableError";
  if (!canBeFetched || !NOT_FETCHED.test(message)) return { code, message };
  const found = message.replace(/; if it is missing, run `npm.*/, ""); // in a page nobody installs packages
  const wayOut = "go online, and try again";
  return { code: "NetworkError", message: `a part of this page could not be fetched (${found}); ${wayOut}` };
}

/** The error of a call, with the code that it had in the worker. */
export class RemoteError extends Error {
  readonly code: string;
  constructor({ code, message }: Problem) {
    super(message);
    this.code = code;
  }
}
