// The package in browsers.
import { UnsupportedError } from "@residual/core";
import { onThisThread } from "./batches/batch-maker.ts";
import { type FineTuneOptions, fineTuneOn } from "./fine-tune/fine-tune.ts";
import { type FitPlatform, type Fitted, fitOn } from "./fit/fit.ts";
import type { FitOptions } from "./fit/options.ts";
import { findLearningRateOn, type RateSearch, type RateSearchOptions } from "./rate-finder/find-learning-rate.ts";

export * from "./shared.ts";

const page: FitPlatform = {
  makerOf: () => onThisThread(),
  storeOf(folder) {
    throw new UnsupportedError(`a page writes no files; give \`out\` as a store of your own, found ${folder}`);
  },
};

/**
 * Trains a network on labelled pictures, and judges it by others after each epoch. With a store as `out`, a run that
 * was ended at any moment goes on where its last checkpoint is, to the same bits. Batches are made in the page.
 *
 * Throws as in Node.
 */
export const fit = (options: FitOptions): Promise<Fitted> => fitOn(page, options);

/** As in Node: first a new last layer on features that are computed once, then the whole network. */
export const fineTune = (options: FineTuneOptions): Promise<Fitted> => fineTuneOn(page, options);

/** As in Node: a learning rate by the losses of a short run with rising rates. */
export const findLearningRate = (options: RateSearchOptions): Promise<RateSearch> => findLearningRateOn(page, options);
