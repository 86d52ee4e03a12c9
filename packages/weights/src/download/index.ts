export { weightsFolder } from "./cache.ts";
export {
  type ListedWeights,
  listWeights,
  type PrunedWeights,
  pruneWeights,
  pullWeights,
  type VerifiedFile,
  verifyWeights,
  weightsPath,
} from "./manage.ts";
export type { PullOptions } from "./pull.ts";
