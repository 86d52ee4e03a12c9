import { ShapeError, tensor } from "@residual/core";
import { OptionError } from "@residual/pipeline";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { shouldStop } from "./early-stopping.ts";
import { type Judged, judge } from "./judged.ts";
import { calibration, confusionMatrix, perClassScores, scores, topAccuracy } from "./metrics.ts";

const judged = (label: number, predicted: number, confidence = 1): Judged => {
  const rank = label === predicted ? 0 : 1;
  return { index: 0, label, predicted, confidence, rank, loss: 0 };
};

describe("judge", () => {
  it("has PyTorch's cross-entropy and softmax", () => {
    // torch.nn.functional.cross_entropy(x, y, reduction="none") and x.softmax(1).max(1) in float64
    const logits = tensor([3, 3], [1, 2, 3, 0.5, 0.5, -1, 100, 0, -100]);
    const [a, b, c] = judge(logits, [2, 1, 1], [7, 8, 9]);
    expect(a).toEqual({
      index: 7,
      label: 2,
      predicted: 2,
      confidence: expect.closeTo(0.6652409557748218, 12) as number,
      rank: 0,
      loss: expect.closeTo(0.4076059644443804, 12) as number,
    });
    expect(b).toMatchObject({ predicted: 0, rank: 1, loss: expect.closeTo(0.7989161848417257, 12) as number });
    expect(c).toMatchObject({ predicted: 0, confidence: 1, rank: 1, loss: 100 });
  });

  it("lets NaN win, so that it shows", () => {
    const [only] = judge(tensor([1, 3], [5, NaN, 1]), [0], [0]);
    expect(only).toMatchObject({ predicted: 1, rank: 1 });
    expect(only!.loss).toBeNaN();
  });

  it("ranks a label by the classes before it", () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: -3, max: 3 }), { minLength: 1, maxLength: 9 }),
        fc.nat(8),
        (values, at) => {
          const label = at % values.length;
          const sorted = values.map((value, index) => ({ value, index }));
          sorted.sort((a, b) => b.value - a.value || a.index - b.index);
          const [only] = judge(tensor([1, values.length], values), [label], [0]);
          expect(only!.rank).toBe(sorted.findIndex(({ index }) => index === label));
          expect(only!.predicted).toBe(sorted[0]!.index);
        },
      ),
    );
  });
});

describe("scores", () => {
  const pictures = [judged(0, 0), judged(0, 1), judged(1, 1), judged(1, 1), judged(2, 1)];

  it("count by label and prediction, by hand", () => {
    const confusion = confusionMatrix(pictures, 4);
    expect(confusion).toEqual([
      [1, 1, 0, 0],
      [0, 2, 0, 0],
      [0, 1, 0, 0],
      [0, 0, 0, 0],
    ]);
    expect(perClassScores(confusion)).toEqual([
      { images: 2, precision: 1, recall: 0.5 },
      { images: 2, precision: 0.5, recall: 1 },
      { images: 1, precision: NaN, recall: 0 },
      { images: 0, precision: NaN, recall: NaN },
    ]);
    expect(scores(pictures, 4)).toMatchObject({ images: 5, accuracy: 3 / 5, top5: 1, loss: 0 });
  });

  it("of no pictures are NaN", () => {
    expect(topAccuracy([], 1)).toBeNaN();
    expect(scores([], 2).loss).toBeNaN();
  });

  it("refuse a label that the network does not have", () => {
    expect(() => confusionMatrix([judged(4, 0)], 4)).toThrow(ShapeError);
  });

  it("have the calibration error of Guo et al., by hand", () => {
    // bins of a half: {0.3 right, 0.5 wrong} and {0.6 right, 0.8 right, 1.0 wrong}
    const all = [judged(0, 0, 0.3), judged(0, 1, 0.5), judged(0, 0, 0.6), judged(0, 0, 0.8), judged(0, 1, 1)];
    const { error, bins } = calibration(all, 2);
    expect(bins).toEqual([
      { low: 0, high: 0.5, count: 2, confidence: 0.4, accuracy: 0.5 },
      { low: 0.5, high: 1, count: 3, confidence: expect.closeTo(0.8, 12) as number, accuracy: 2 / 3 },
    ]);
    expect(error).toBeCloseTo((2 / 5) * 0.1 + (3 / 5) * (0.8 - 2 / 3), 12);
    expect(calibration([judged(0, 0, 0)], 3).bins[0]!.count).toBe(1);
  });
});

describe("early stopping", () => {
  const history = (...values: readonly number[]) => values.map((accuracy) => ({ accuracy, loss: 1 - accuracy }));

  it.each([
    [[0.5, 0.6, 0.6], 2, 0, false],
    [[0.5, 0.6, 0.6, 0.6], 2, 0, true],
    [[0.5, 0.6, 0.601, 0.602], 2, 0.01, true],
    [[0.5, 0.6, 0.61, 0.62], 2, 0.001, false],
    [[0.9, 0.1], 1, 0, true],
    [[NaN, NaN], 2, 0, true],
    [[], 1, 0, false],
  ])("after the accuracies %j with patience %d and %d at least: %s", (values, patience, least, stops) => {
    expect(shouldStop(history(...values), { patience, least })).toBe(stops);
    expect(shouldStop(history(...values), { patience, least, by: "loss" })).toBe(stops);
  });

  it("refuses a patience that is none", () => {
    expect(() => shouldStop([], { patience: 0 })).toThrow(OptionError);
  });
});
