import type { Deviation } from "@residual/core";

/** Where onnxruntime 1.30's results differ from PyTorch's. Finite weights and images show none of it. */
export const deviations: readonly Deviation[] = [
  {
    op: "maxPool2d",
    trait: "drops NaN",
    because: "onnxruntime's MaxPool takes the largest of the other numbers, as IEEE 754's maximumNumber does",
  },
  {
    op: "maxPool2d",
    trait: "pads with a finite number",
    because: "onnxruntime's MaxPool starts at the least finite number, -3.4028235e38, and not at -infinity",
  },
];
