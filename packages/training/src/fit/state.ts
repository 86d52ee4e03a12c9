/** What is known of an epoch once it has ended. */
export interface EpochRecord {
  /** From 1. */
  readonly epoch: number;
  /** Of the last step. */
  readonly learningRate: number;
  /** Means over the epoch's batches, from before each step, of augmented pictures. */
  readonly trainLoss: number;
  readonly trainAccuracy: number;
  /** Of the held-out pictures, with the weights at the end of the epoch. */
  readonly loss: number;
  readonly accuracy: number;
  readonly top5: number;
}

/** Sums over the batches of an epoch so far. */
export interface RunningSums {
  readonly loss: number;
  readonly correct: number;
  readonly images: number;
  readonly batches: number;
}

/** Where a run is, as plain JSON: with it and the variables, the rest of the run is determined. */
export interface TrainingState {
  /** Finished epochs. */
  readonly epoch: number;
  /** Finished batches of the epoch under way. */
  readonly batch: number;
  readonly sums: RunningSums;
  readonly history: readonly EpochRecord[];
  /** The epoch whose weights are kept as the best. */
  readonly best: EpochRecord | undefined;
  /** Names of pictures that could not be read. */
  readonly unreadable: readonly string[];
}

export const noSums: RunningSums = { loss: 0, correct: 0, images: 0, batches: 0 };

export const initialState: TrainingState = {
  epoch: 0,
  batch: 0,
  sums: noSums,
  history: [],
  best: undefined,
  unreadable: [],
};

/** Whether an epoch is better than the best so far: by its measure, and if that is equal by the other one. */
export function isBetter(
  { accuracy, loss }: EpochRecord,
  best: EpochRecord | undefined,
  by: "accuracy" | "loss" = "accuracy",
): boolean {
  if (!best) return true;
  const gains = [accuracy - best.accuracy, best.loss - loss];
  const [first, second] = by === "accuracy" ? gains : gains.toReversed();
  return first === 0 ? second! > 0 : first! > 0;
}
