import { Remote } from "../engine/rpc.ts";
import type { LearningMethods } from "./learning-worker.ts";

export type Learner = Remote<LearningMethods>;

/** Starts a worker for what needs gradients. `end` frees all that it holds. */
export const startLearner = (): Learner =>
  new Remote<LearningMethods>(
    new Worker(new URL("./learning-worker.ts", import.meta.url), { type: "module", name: "learning" }),
  );
