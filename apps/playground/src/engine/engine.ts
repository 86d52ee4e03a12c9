import type { LearningMethods } from "../learning/learning-worker.ts";
import { Remote } from "./rpc.ts";
import type { EngineMethods } from "./worker.ts";

export type Engine = Remote<EngineMethods>;

/** Starts a worker, which holds one network. `end` frees both. */
export function startEngine(): Engine {
  return new Remote<EngineMethods>(
    new Worker(new URL("./worker.ts", import.meta.url), { type: "module", name: "engine" }),
  );
}

export type Learner = Remote<LearningMethods>;

/** Starts a worker for what needs gradients: with them core is larger, and the page's first worker opens without. */
export function startLearner(): Learner {
  return new Remote<LearningMethods>(
    new Worker(new URL("../learning/learning-worker.ts", import.meta.url), { type: "module", name: "learning" }),
  );
}
