import type { Deviation } from "@residual/core";

const prefix = "ops/special values/maxPool2d:";

/** Where onnxruntime 1.30 answers otherwise than PyTorch. Neither comes up with finite weights and images. */
export const deviations: readonly Deviation[] = [
  ...[0, 1, 2, 3, 4, 5, 6, 7, 8].map((place) => ({
    case: `${prefix} NaN in place ${place} of a window is its answer`,
    because: "onnxruntime's MaxPool takes the largest of the other numbers, as IEEE 754's maximumNumber does",
  })),
  {
    case: `${prefix} -infinity at the padded edge`,
    because: "onnxruntime's MaxPool starts at the least finite number, -3.4028235e38, and not at -infinity",
  },
];
