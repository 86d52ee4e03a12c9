import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { pathToFileURL } from "node:url";
import { BackendUnavailableError } from "@residual/core";
import type { OnnxRuntime } from "../inference.ts";
import { importRuntime } from "./import-runtime.ts";

/** The npm package that runs models. An optional peer, imported on first use. */
export const PACKAGE = "onnxruntime-node";

/**
 * Its install script downloads CUDA's libraries from outside the npm registry, and fails without access to that host.
 * The flag skips them: only the device "cuda" needs them.
 */
export const INSTALL: string = `npm install ${PACKAGE} --onnxruntime-node-install=skip`;

/** URL of the package's entry point. Throws BackendUnavailableError if it is not installed. */
export function locate(name: string): string {
  try {
    return pathToFileURL(resolver()(name)).href;
  } catch (cause) {
    throw unavailable(name, "is not installed", cause);
  }
}

/** A package's folder. Throws BackendUnavailableError if it is not installed. */
export function folderOf(name: string): string {
  locate(name);
  return dirname(resolver()(`${name}/package.json`));
}

/** A package's version, from its package.json. Throws BackendUnavailableError if it is not installed. */
export async function versionOf(name: string): Promise<string> {
  const { version } = JSON.parse(await readFile(join(folderOf(name), "package.json"), "utf8")) as { version: string };
  return version;
}

/** The package, on the caller's thread. Throws BackendUnavailableError if it is not installed or does not load. */
export async function loadRuntime(name: string): Promise<OnnxRuntime> {
  const url = locate(name);
  try {
    return await importRuntime(url);
  } catch (cause) {
    throw notLoading(name, messageOf(cause), cause);
  }
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** An installed package that does not load. `message` is the loader's. */
export function notLoading(name: string, message: string, cause: unknown): BackendUnavailableError {
  const [firstLine] = message.split("\n");
  // The message of musl's loader, and of a glibc that is too old. Source: musl, ldso/dynlink.c.
  const needsGlibc = /Error (loading shared library|relocating)|GLIBC(XX)?_/.test(message);
  const reason = `does not load (${firstLine})`;
  return unavailable(name, needsGlibc ? `${reason}: it needs a recent glibc, and Alpine has none` : reason, cause);
}

function unavailable(name: string, reason: string, cause?: unknown): BackendUnavailableError {
  return new BackendUnavailableError(`onnx: ${name} ${reason}; ${INSTALL}`, { cause });
}

/** The base for module resolution: this file; in a CommonJS bundle, which has no URL, the main program. */
function resolver(): NodeJS.RequireResolve {
  const { url = pathToFileURL(process.argv[1] ?? join(process.cwd(), "program.js")).href } = import.meta as {
    readonly url?: string;
  };
  return createRequire(url).resolve;
}
