import { AbortError, adamw } from "@residual/core";
import { expect, it } from "vitest";
import { fineTune, fit, memoryStore, type Store, type TrainingEvent } from "../browser.ts";
import { shades, tinyRun } from "../testing/tiny.ts";

it("a page trains a network", async () => {
  const { best, weights } = await fit(tinyRun({ epochs: 4, optimizer: adamw(), learningRate: 0.02 }));
  expect(best.accuracy).toBe(1);
  expect(weights.labels).toEqual(["dark", "light"]);
});

it("goes on from a store of its own to the same bits", async () => {
  const [whole, parts] = [memoryStore(), memoryStore()];
  await fit(tinyRun({ out: whole }));
  const stop = new AbortController();
  const onEvent = (event: TrainingEvent) => {
    if (event.kind === "step" && event.step === 3) stop.abort();
  };
  await expect(fit(tinyRun({ out: parts, signal: stop.signal, onEvent }))).rejects.toThrow(AbortError);
  await fit(tinyRun({ out: parts }));
  const files = (store: Store) =>
    Promise.all((["best", "last", "checkpoint"] as const).map((name) => store.load(name)));
  expect(await files(parts)).toEqual(await files(whole));
});

it("fine-tunes given weights", async () => {
  const head = { epochs: 40, batch: 16, learningRate: 0.1 };
  const { best } = await fineTune({ ...tinyRun(), weights: "fixture:v1", epochs: 0, head });
  expect(best.accuracy).toBe(1);
});

it("refuses a folder, which a page does not have", async () => {
  await expect(fit(tinyRun({ train: shades(4), out: "run" }))).rejects.toThrow("a page writes no files");
});
