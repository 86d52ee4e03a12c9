import type { Answer } from "@residual/core";

/** The likeliest class of each row of logits [N, C]. */
export function argMax({ shape: [rows = 0, classes = 0], data }: Pick<Answer, "shape" | "data">): number[] {
  return Array.from({ length: rows }, (_, row) => {
    let best = 0;
    for (let c = 1; c < classes; c++) if (data[row * classes + c]! > data[row * classes + best]!) best = c;
    return best;
  });
}
