import { describeValue } from "@residual/core";
import { OptionError } from "@residual/pipeline";
import type { Augmentation } from "./augmentation.ts";

/** Throws OptionError, which names the field, for a number out of its range. */
export function checkAugmentation({ resizedCrop, crop, flip, jitter, erasing, mixup, cutmix }: Augmentation): void {
  const share = isWithin(0, 1);
  const factor = isWithin(0, Infinity);
  const positive = (value: number) => value > 0 && value < Infinity;
  const checks: readonly (readonly [string, unknown, (value: number) => boolean, string])[] = [
    ["crop.padding", crop?.padding, (value) => Number.isSafeInteger(value) && value >= 0, "a whole number from 0"],
    ["flip", flip, share, "a number from 0 to 1"],
    ["jitter.brightness", jitter?.brightness, factor, "a number from 0"],
    ["jitter.contrast", jitter?.contrast, factor, "a number from 0"],
    ["jitter.saturation", jitter?.saturation, factor, "a number from 0"],
    ["jitter.hue", jitter?.hue, isWithin(0, 0.5), "a number from 0 to 0.5"],
    ["erasing.probability", erasing?.probability, share, "a number from 0 to 1"],
    ["mixup", mixup, positive, "a number above 0"],
    ["cutmix", cutmix, positive, "a number above 0"],
    ...rangeChecks("resizedCrop.scale", resizedCrop?.scale),
    ...rangeChecks("resizedCrop.ratio", resizedCrop?.ratio),
    ...rangeChecks("erasing.scale", erasing?.scale),
    ...rangeChecks("erasing.ratio", erasing?.ratio),
  ];
  for (const [name, value, fits, expected] of checks)
    if (value !== undefined && !(typeof value === "number" && fits(value)))
      throw new OptionError(`augmentation: \`${name}\` is ${describeValue(value)}, expected ${expected}`);
}

const isWithin = (low: number, high: number) => (value: number) => value >= low && value <= high;

function rangeChecks(name: string, range: readonly [number, number] | undefined) {
  const [low, high] = range ?? [];
  const positive = (value: number) => value > 0;
  const above = (value: number) => value >= (low ?? 0);
  return [
    [`${name}[0]`, low, positive, "a number above 0"],
    [`${name}[1]`, high, above, "a number of at least the first"],
  ] as const;
}
