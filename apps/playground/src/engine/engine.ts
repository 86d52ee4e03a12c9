import { Remote } from "./rpc.ts";
import type { EngineMethods } from "./worker.ts";

export type Engine = Remote<EngineMethods>;

/** A worker with a network of its own. `end` frees it all. */
export function startEngine(): Engine {
  return new Remote<EngineMethods>(
    new Worker(new URL("./worker.ts", import.meta.url), { type: "module", name: "engine" }),
  );
}
