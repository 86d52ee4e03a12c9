import { Remote } from "./rpc.ts";
import type { EngineMethods } from "./worker.ts";

export type Engine = Remote<EngineMethods>;

/** Starts a worker, which holds one network. `end` frees both. */
export function startEngine(): Engine {
  return new Remote<EngineMethods>(
    new Worker(new URL("./worker.ts", import.meta.url), { type: "module", name: "engine" }),
  );
}
