export type { Deviation, Trait } from "@residual/core";
export { toHtml } from "./report/html.ts";
export { toJson } from "./report/json.ts";
export { toJunit } from "./report/junit.ts";
export { type KnownDeviation, knownDeviations, largestShare, verdictOf } from "./report/summary.ts";
export {
  type Check,
  type Environment,
  type Level,
  levels,
  type Report,
  type Section,
  type Worst,
} from "./report/types.ts";
export { type Bisection, type BisectOptions, bisect, explain } from "./suite/bisect.ts";
export { conform } from "./suite/conform.ts";
export { type ElementBound, elementBound } from "./suite/element.ts";
export type { ImageBatch, ImageSet } from "./suite/levels/images.ts";
export { type NodeAnswer, nodeAnswers, type Subject } from "./suite/nodes.ts";
export type { ConformOptions } from "./suite/options.ts";
export { quickModels } from "./suite/plan.ts";
