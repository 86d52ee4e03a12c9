import { BackendUnavailableError, type Tensor } from "@residual/core";
import type { Task } from "../protocol.ts";

/** A library that runs the same network without Residual. */
export interface Runner {
  run(image: Tensor<"float32">): Promise<Float32Array>;
}

/** Another library, used as its documentation says. */
export type Peer = (task: Task) => Promise<Runner>;

/**
 * A library that is an optional peer. Throws BackendUnavailableError if it, or a package it needs, is not installed.
 */
export async function imported<Library>(name: string, ...install: readonly string[]): Promise<Library> {
  try {
    return (await import(name)) as Library; // a variable, so that bundlers and the compiler do not resolve it
  } catch (cause) {
    const packages = install.length > 0 ? install : [name];
    throw new BackendUnavailableError(`${name} is not installed; npm install ${packages.join(" ")}`, { cause });
  }
}
