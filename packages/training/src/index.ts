import { onThisThread } from "./batches/batch-maker.ts";
import { BatchThreads } from "./batches/threads.ts";
import { type FineTuneOptions, fineTuneOn } from "./fine-tune/fine-tune.ts";
import { type FitPlatform, type Fitted, fitOn } from "./fit/fit.ts";
import { folderStore } from "./fit/folder-store.ts";
import type { FitOptions } from "./fit/options.ts";
import { findLearningRateOn, type RateSearch, type RateSearchOptions } from "./rate-finder/find-learning-rate.ts";
import { type FolderOptions, trainInFolder as trainInFolderOn } from "./run-folder/train-in-folder.ts";

export { BatchThreads } from "./batches/threads.ts";
export { cifar10 } from "./data/cifar10.ts";
export { classFolders } from "./data/class-folders.ts";
export { openData } from "./data/open-data.ts";
export { folderStore } from "./fit/folder-store.ts";
export type { FolderOptions } from "./run-folder/train-in-folder.ts";
export * from "./shared.ts";

const node: FitPlatform = {
  makerOf: (threads) => (threads === 0 ? onThisThread() : new BatchThreads(threads)),
  storeOf: folderStore,
};

/**
 * Trains a network on labelled pictures, and judges it by others after each epoch. With `out`, a run that was ended at
 * any moment goes on where its last checkpoint is, to the same bits.
 *
 * Throws OptionError for options that do not fit the data or the checkpoint, NonFiniteError if the loss is no longer a
 * finite number, FormatError for a damaged checkpoint or if no picture of a batch can be read, errors of the backend,
 * and AbortError, after a checkpoint was written.
 */
export const fit = (options: FitOptions): Promise<Fitted> => fitOn(node, options);

/**
 * Trains given weights on other pictures, in two parts. First a new last layer is trained alone: the features that it
 * reads are computed once. Then, if `epochs` is above 0, the whole network is trained as by `fit`, from there on.
 *
 * The best epoch is the last layer's, as epoch 0, until another is better. With `out`, a run that was ended goes on: in
 * the second part at its last checkpoint, in the first at its beginning, and to the same bits. Throws as `fit` does.
 */
export const fineTune = (options: FineTuneOptions): Promise<Fitted> => fineTuneOn(node, options);

/**
 * Trains a network for some steps, each with a higher learning rate than the one before, and suggests a rate by the
 * losses. The weights are dropped. Ends when the loss diverges. Source: Smith 2017; fastai, `lr_find`.
 *
 * Throws as `fit` does.
 */
export const findLearningRate = (options: RateSearchOptions): Promise<RateSearch> => findLearningRateOn(node, options);

/**
 * Trains by `fineTune` if there are weights to begin with, else by `fit`, with log.jsonl and report.html in the folder.
 * The log has a JSON line for each step and epoch. The report is written at the end, also where the run is stopped or
 * fails. Throws as `fit` does.
 */
export const trainInFolder = (options: FolderOptions): Promise<Fitted> => trainInFolderOn(node, options);
