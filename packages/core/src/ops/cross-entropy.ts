import { type CompositeOp, defineComposite, noAttributes, rank2 } from "../ir/define-op.ts";
import { check } from "../ir/errors.ts";
import { formatShape } from "../ir/value.ts";
import { affine } from "./affine.ts";
import { logSoftmax } from "./log-softmax.ts";
import { total } from "./shared/total.ts";
import { times } from "./times.ts";

/**
 * Softmax cross-entropy with soft targets, the mean over the batch: −Σ target · logSoftmax(logits) / N.
 *
 *   logits [N, C], target [N, C]  ->  scalar
 * C1  logits has rank 2 and a closed batch.
 * C2  target has the shape of logits.
 * A row of target is a distribution: one-hot for a label, smoothed or mixed for others. Composite of logSoftmax, times,
 * sum, reshape and affine. Source: PyTorch CrossEntropyLoss with class probabilities.
 */
export const crossEntropy: CompositeOp<"crossEntropy", "logits" | "target"> = defineComposite({
  name: "crossEntropy",
  inputs: { logits: "data", target: "data" },
  ...noAttributes,
  check({ logits, target }) {
    const [n] = rank2(logits, "crossEntropy.C1");
    check(n !== "N", "crossEntropy.C1", "the mean over a batch needs its size; fix the batch with closeBatch");
    const expected = () => `target is ${formatShape(target)}, expected ${formatShape(logits)}`;
    check(target.join() === logits.join(), "crossEntropy.C2", expected);
  },
  decompose({ logits, target }) {
    const sum = total(times({ a: logSoftmax({ x: logits }), b: target }));
    return affine({ x: sum }, { factor: -1 / (logits.shape[0] as number) });
  },
});
