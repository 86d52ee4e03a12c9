// The part that Node and browsers share; index.ts and browser.ts add what depends on the platform.
export { type Augmentation, photos, smallPictures } from "./augment/augmentation.ts";
export type { ColourJitter } from "./augment/colour-jitter.ts";
export type { Mixing } from "./augment/mixing.ts";
export type { RandomCrop } from "./augment/random-crop.ts";
export type { RandomErasing } from "./augment/random-erasing.ts";
export type { ResizedCrop } from "./augment/resized-crop.ts";
export { type BatchMaker, onThisThread } from "./batches/batch-maker.ts";
export { type BatchPlan, batchCount, batches, type IndexedBatch } from "./batches/batches.ts";
export type { Batch, BatchDraw, BatchRecipe, BatchRequest, UnreadablePicture } from "./batches/make-batch.ts";
export type { Dataset, Example, StoredPicture } from "./data/dataset.ts";
export { dataset, type GivenExample, type GivenOptions } from "./data/given.ts";
export { classWeights, type Order, orderOf, type Sampling } from "./data/order.ts";
export { type Split, type SplitOptions, split } from "./data/split.ts";
export type { FineTuneOptions, HeadOptions } from "./fine-tune/fine-tune.ts";
export { type Checkpoint, decodeCheckpoint, encodeCheckpoint, type Recipe } from "./fit/checkpoint.ts";
export { type EvaluateOptions, evaluate } from "./fit/evaluate.ts";
export type { TrainingEvent } from "./fit/events.ts";
export type { Fitted } from "./fit/fit.ts";
export { initialWeights } from "./fit/initial-weights.ts";
export type { TrainedModel } from "./fit/network.ts";
export { firstNonFiniteValue, NonFiniteError, type NonFinitePlace, type NonFiniteValue } from "./fit/non-finite.ts";
export type { FitOptions, RunLength } from "./fit/options.ts";
export type { EpochRecord, RunningSums, TrainingState } from "./fit/state.ts";
export { type FileName, fileNames, type MemoryStore, memoryStore, type Store } from "./fit/store.ts";
export { type EarlyStopping, shouldStop } from "./metrics/early-stopping.ts";
export { type Judged, judge } from "./metrics/judged.ts";
export {
  type Calibration,
  type CalibrationBin,
  type ClassScores,
  calibration,
  confusionMatrix,
  perClassScores,
  type Scores,
  scores,
  topAccuracy,
} from "./metrics/metrics.ts";
export type { RateSearch, RateSearchOptions } from "./rate-finder/find-learning-rate.ts";
export {
  exponentialRates,
  type SuggestedRate,
  smoothed,
  suggestRate,
  type TriedRate,
} from "./rate-finder/suggest-rate.ts";
export type { Picture } from "./report/pictures.ts";
export { type Thumbnail, thumbnailOf } from "./report/thumbnail.ts";
export { picturesOfReport, type ReportData, trainingReport } from "./report/training-report.ts";
export {
  type CosineOptions,
  constantSchedule,
  cosineSchedule,
  type OneCycleOptions,
  oneCycleSchedule,
  type Schedule,
  type StepOptions,
  stepSchedule,
  type WarmUpOptions,
  warmUp,
} from "./schedules/schedules.ts";
