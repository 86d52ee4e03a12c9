import { lazily } from "../engine/lazily.ts";
import { serve } from "../engine/rpc.ts";

/**
 * What needs gradients runs in a worker of its own: with them, core is larger, and the page's first worker opens
 * without.
 */
const methods = {
  ...lazily(async () => (await import("./ascent-methods.ts")).ascent, { openLayer: true, climb: true }),
  ...lazily(async () => (await import("./train-methods.ts")).training, { train: true }),
};
export type LearningMethods = typeof methods;

serve(methods, self);
