import { check } from "@residual/core";
import type { Judged } from "./judged.ts";

/** How often a network is right, over labelled pictures that it was not trained on. */
export interface Scores {
  readonly images: number;
  /** The mean cross-entropy. */
  readonly loss: number;
  /** Share of the pictures whose label is the likeliest class. */
  readonly accuracy: number;
  /** Share of the pictures whose label is among the five likeliest classes. */
  readonly top5: number;
  /** Row: label; column: predicted class. */
  readonly confusion: readonly (readonly number[])[];
  readonly perClass: readonly ClassScores[];
  readonly calibration: Calibration;
}

export interface ClassScores {
  /** Pictures of the class. */
  readonly images: number;
  /** Share of the pictures predicted as this class that are of it. NaN if none was. */
  readonly precision: number;
  /** Share of the class's pictures that were predicted so. NaN if there are none. */
  readonly recall: number;
}

export interface Calibration {
  /** The mean over the pictures of |confidence − accuracy| of their bins. */
  readonly error: number;
  readonly bins: readonly CalibrationBin[];
}

/** Predictions with a confidence in (low, high]. */
export interface CalibrationBin {
  readonly low: number;
  readonly high: number;
  readonly count: number;
  /** Means over the bin; NaN if it is empty. */
  readonly confidence: number;
  readonly accuracy: number;
}

/** All scores of judged pictures. */
export function scores(judged: readonly Judged[], classes: number): Scores {
  const confusion = confusionMatrix(judged, classes);
  return {
    images: judged.length,
    loss: meanOf(judged, ({ loss }) => loss),
    accuracy: topAccuracy(judged, 1),
    top5: topAccuracy(judged, 5),
    confusion,
    perClass: perClassScores(confusion),
    calibration: calibration(judged),
  };
}

/** Share of the pictures whose label is among the `k` likeliest classes. NaN if there are none. */
export function topAccuracy(judged: readonly Judged[], k: number): number {
  return meanOf(judged, ({ rank }) => (rank < k ? 1 : 0));
}

/** Counts of pictures: a row for each label, a column for each predicted class. */
export function confusionMatrix(judged: readonly Judged[], classes: number): readonly (readonly number[])[] {
  const counts = Array.from({ length: classes }, () => Array.from({ length: classes }, () => 0));
  for (const { label, predicted } of judged) {
    const row = counts[label];
    check(row !== undefined, "confusionMatrix.C1", `found the label ${label}, expected one of ${classes} classes`);
    row[predicted]!++;
  }
  return counts;
}

/** Precision and recall of each class. */
export function perClassScores(confusion: readonly (readonly number[])[]): readonly ClassScores[] {
  return confusion.map((row, label) => {
    const right = row[label]!;
    const images = sum(row);
    const predicted = sum(confusion.map((each) => each[label]!));
    return { images, precision: right / predicted, recall: right / images };
  });
}

/** The expected calibration error over bins of equal width. Source: Guo et al. 2017, section 2, with 15 bins. */
export function calibration(judged: readonly Judged[], count = 15): Calibration {
  const bins = Array.from({ length: count }, (): Judged[] => []);
  for (const each of judged) bins[Math.min(Math.max(Math.ceil(each.confidence * count) - 1, 0), count - 1)]?.push(each);
  const described = bins.map((inside, at): CalibrationBin => {
    const [confidence, accuracy] = [meanOf(inside, (each) => each.confidence), topAccuracy(inside, 1)];
    return { low: at / count, high: (at + 1) / count, count: inside.length, confidence, accuracy };
  });
  const gaps = described
    .filter((bin) => bin.count > 0)
    .map((bin) => bin.count * Math.abs(bin.confidence - bin.accuracy));
  return { error: sum(gaps) / judged.length, bins: described };
}

function meanOf(judged: readonly Judged[], value: (each: Judged) => number): number {
  return sum(judged.map(value)) / judged.length;
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
