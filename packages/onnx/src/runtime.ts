import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";
import { BackendUnavailableError } from "@residual/core";

/** The npm package that runs models. An optional peer: it is looked for when it is first needed. */
export const RUNTIME = "onnxruntime-node";

const { resolve } = createRequire(import.meta.url);

/** URL of a runtime's entry point. Throws BackendUnavailableError where it is not installed. */
export function locate(runtime: string): string {
  try {
    return pathToFileURL(resolve(runtime)).href;
  } catch (cause) {
    throw unavailable(runtime, "is not installed", cause);
  }
}

/** A runtime's version, from its package.json. Throws BackendUnavailableError where it is not installed. */
export async function versionOf(runtime: string): Promise<string> {
  locate(runtime);
  const { version } = JSON.parse(await readFile(resolve(`${runtime}/package.json`), "utf8")) as { version: string };
  return version;
}

export function unavailable(runtime: string, reason: string, cause?: unknown): BackendUnavailableError {
  return new BackendUnavailableError(`onnx: ${runtime} ${reason}; npm install ${RUNTIME}`, { cause });
}
