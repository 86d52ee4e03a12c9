import { applyOp, graph, input, parameter } from "@residual/core";
import { resources } from "@residual/kit/resources";
import { expect, it } from "vitest";
import { split } from "../data/split.ts";
import { fit, type TrainingEvent } from "../index.ts";
import { shades, tinyRun } from "../testing/tiny.ts";

/** One linear layer on the pixels, so that a step takes a millisecond. */
function line() {
  const image = input("image", ["N", 3, 8, 8]);
  const x = applyOp("flatten", { x: image }, {});
  const weights = { weight: parameter("fc.weight", [2, 192]), bias: parameter("fc.bias", [2]) };
  const logits = { ...applyOp("linear", { x, ...weights }, {}), name: "logits" };
  return graph({ name: "line", inputs: { image }, outputs: { logits } });
}

it("memory after 2,000 steps is that after 50", async () => {
  const { train, heldOut } = split(shades(50), { share: 0.2 });
  const early: Promise<number>[] = [];
  const late: Promise<number>[] = [];
  const onEvent = (event: TrainingEvent) => {
    if (event.kind !== "step") return;
    const readings = event.step <= 50 ? early : late;
    const isRead = (event.step > 46 && event.step <= 50) || event.step > 1996;
    if (isRead) readings.push(resources().then(({ reachable = Number.NaN }) => reachable));
  };
  await fit(tinyRun({ model: line(), preprocessing, train, heldOut, epochs: 200, batch: 8, threads: 1, onEvent }));
  // The smallest of four readings: at any moment there are batches and messages of their thread under way.
  const least = async (readings: readonly Promise<number>[]) => Math.min(...(await Promise.all(readings)));
  const [after50, after2000] = [await least(early), await least(late)];
  // the history of 200 epochs is 100 KB, compiled code the rest; a batch that each step keeps would be 12 MB
  expect(after2000 - after50).toBeLessThan(2 * 2 ** 20);
});

const preprocessing = {
  resize: 8,
  crop: 8,
  interpolation: "bilinear",
  scale: 255,
  mean: [0.5, 0.5, 0.5],
  std: [0.25, 0.25, 0.25],
} as const;
