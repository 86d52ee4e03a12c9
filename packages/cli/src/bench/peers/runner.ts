import { BackendUnavailableError, type Tensor } from "@residual/core";
import type { Task } from "../protocol.ts";

/** Something that runs the same network without us. */
export interface Runner {
  run(image: Tensor<"float32">): Promise<Float32Array>;
}

/** Somebody else's library, used as its own documentation says to. */
export type Peer = (task: Task) => Promise<Runner>;

/**
 * A library that is an optional peer. Throws BackendUnavailableError where it, or another that it needs, is not
 * installed.
 */
export async function imported<Library>(name: string, ...install: readonly string[]): Promise<Library> {
  try {
    return (await import(name)) as Library; // a variable, so that nothing tries to resolve it before it is asked for
  } catch (cause) {
    const packages = install.length > 0 ? install : [name];
    throw new BackendUnavailableError(`${name} is not installed; npm install ${packages.join(" ")}`, { cause });
  }
}
