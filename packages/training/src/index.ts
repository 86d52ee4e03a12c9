import { onThisThread } from "./batches/batch-maker.ts";
import { BatchThreads } from "./batches/threads.ts";
import { type FitPlatform, type Fitted, fitOn } from "./fit/fit.ts";
import { folderStore } from "./fit/folder-store.ts";
import type { FitOptions } from "./fit/options.ts";

export { BatchThreads } from "./batches/threads.ts";
export { cifar10 } from "./data/cifar10.ts";
export { classFolders } from "./data/class-folders.ts";
export { openData } from "./data/open-data.ts";
export { folderStore } from "./fit/folder-store.ts";
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
