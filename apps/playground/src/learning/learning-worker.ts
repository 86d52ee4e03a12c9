import { lazily } from "../engine/lazily.ts";
import { serve } from "../engine/rpc.ts";

/** What needs gradients. Each part is fetched when it is first called. */
const methods = {
  ...lazily(async () => (await import("./ascent-methods.ts")).ascent, { openLayer: true, climb: true }),
  ...lazily(async () => (await import("./train-methods.ts")).training, { train: true }),
};
export type LearningMethods = typeof methods;

serve(methods, self);
