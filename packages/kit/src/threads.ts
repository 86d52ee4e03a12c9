import { BackendUnavailableError, DeviceLostError, OutOfMemoryError, type ResidualError } from "@residual/core";
import type { UrlLike } from "./bytes/index.ts";

/** The code of an adapter's worker thread. */
export interface ThreadCode {
  /** The adapter: `onnx` stands for the package @residual/onnx and its function `onnx`. */
  readonly owner: string;
  /** The file's name without its ending: `onnx-worker`. */
  readonly file: string;
  /** URL of a module in the file's folder. Undefined in a bundle to CommonJS. */
  readonly besideUrl: string | undefined;
  /** Path or URL of the file, from the user. Default: next to the module. */
  readonly given: string | UrlLike | undefined;
}

/**
 * URL of the worker's code in Node. Throws BackendUnavailableError if the file does not exist, as in a bundle that
 * holds the adapter without its worker.
 */
export function urlOfThread({ owner, file, besideUrl, given }: ThreadCode): URL {
  const ending = besideUrl?.endsWith(".ts") ? "ts" : "js"; // Node strips types itself
  const beside = besideUrl === undefined ? undefined : new URL(`${file}.${ending}`, besideUrl);
  const url = given === undefined ? beside : urlOf(given);
  if (url && (url.protocol !== "file:" || builtin("node:fs").existsSync(url))) return url;
  const found = url ? `${builtin("node:url").fileURLToPath(url)} is missing` : `${file}.js cannot be found`;
  throw new BackendUnavailableError(
    `${owner}: ${found}, the code of the thread that runs models; in a bundle, mark @residual/${owner} as external, ` +
      `or bundle @residual/${owner}/worker as a file of its own and name it, ${owner}({ worker: path }), ` +
      `or run models on the caller's thread, ${owner}({ worker: false })`,
  );
}

/** The error for a thread that ended by itself, at its start or later. */
export function threadError(owner: string, hasSpoken: boolean, cause?: unknown): ResidualError {
  const { code, message } = (cause ?? {}) as { readonly code?: string; readonly message?: string };
  if (code === "ERR_WORKER_OUT_OF_MEMORY")
    return new OutOfMemoryError(`${owner}: the worker thread ran out of memory; take a smaller batch`, { cause });
  const why = message === undefined ? "" : ` (${message.split("\n")[0]})`;
  if (hasSpoken)
    return new DeviceLostError(
      `${owner}: the worker thread that runs the model has ended${why}; compile the graph again`,
      { cause },
    );
  return new BackendUnavailableError(
    `${owner}: the worker thread that runs models does not start${why}; ${wayOut(owner, `${code} ${message}`)}`,
    { cause },
  );
}

function wayOut(owner: string, text: string): string {
  if (text.includes("EMFILE")) return "too many files are open: close some, or raise the limit (ulimit -n)";
  if (text.includes("uv_cwd")) return "the current folder was removed: change to one that exists";
  if (text.includes("MODULE_NOT_FOUND"))
    return `in a bundle, mark @residual/${owner} as external, or bundle @residual/${owner}/worker with all that it imports`;
  return `${owner}({ worker: false }) runs models on the caller's thread`;
}

function urlOf(given: string | UrlLike): URL {
  if (typeof given !== "string") return new URL(given.href);
  if (/^(file|data):/.test(given)) return new URL(given);
  return builtin("node:url").pathToFileURL(builtin("node:path").resolve(given));
}

/** A Node module, loaded without an import that browser bundles would have to resolve. */
const builtin = ((name: string) => process.getBuiltinModule(name)) as typeof process.getBuiltinModule;
