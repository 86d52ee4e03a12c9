import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { AbortError, bind, graph, input, reference, resnet, select, UnsupportedError } from "@residual/core";
import { temporaryFolder } from "@residual/kit/testing/folder";
import { load, OptionError } from "@residual/pipeline";
import { readTensors, readWeights } from "@residual/weights";
import { describe, expect, it } from "vitest";
import { classFolders } from "../data/class-folders.ts";
import { decodeCheckpoint } from "../fit/checkpoint.ts";
import { initialWeights } from "../fit/initial-weights.ts";
import { fileNames } from "../fit/store.ts";
import { fineTune, fit, type TrainingEvent } from "../index.ts";
import { noise } from "../testing/noise.ts";
import { writePictures } from "../testing/pictures.ts";
import { tinyNet, tinyRun } from "../testing/tiny.ts";
import { partsOfNetwork, weightsFor } from "./features.ts";

const folder = temporaryFolder();
const weights = "fixture:v1";
const options = (changes: object = {}) => ({
  ...tinyRun(),
  weights,
  epochs: 0,
  head: { epochs: 40, batch: 16, learningRate: 0.1 },
  ...changes,
});

describe("the parts of a network", () => {
  const whole = select(resnet({ ...tinyNet, classes: 3 }), ["logits"]);

  it("compute what the whole computes", async () => {
    const { trunk, head } = partsOfNetwork(whole);
    const all = initialWeights(whole, 1);
    const image = {
      dtype: "float32",
      shape: [2, 3, 8, 8],
      data: new Float32Array(384).map((_, i) => (i * 7) % 5),
    } as const;
    await using one = await reference.compile(bind(whole, all));
    await using first = await reference.compile(bind(trunk, weightsFor(trunk, all)));
    await using second = await reference.compile(bind(head, weightsFor(head, all)));
    const { features } = await first.run({ image });
    const { logits } = await one.run({ image });
    const numbers = {
      dtype: "float32",
      shape: [...features.shape, 1, 1],
      data: Float32Array.from(features.data),
    } as const;
    const { logits: parted } = await second.run({ image: numbers });
    // the features were rounded to float32: an error of 2⁻²⁴ of each of four terms of at most 10
    for (const [i, value] of logits.data.entries())
      expect(Math.abs(parted.data[i]! - value)).toBeLessThan(40 * 2 ** -24);
  });

  it("need a linear layer at the end", () => {
    const image = input("image", ["N", 2]);
    const bare = graph<"image", "logits">({ name: "bare", inputs: { image }, outputs: { logits: image } });
    expect(() => partsOfNetwork(bare)).toThrow(UnsupportedError);
  });
});

describe("fine-tuning", () => {
  it("of the last layer alone leaves the rest as it was, and learns", async () => {
    const events: string[] = [];
    const onEvent = (event: TrainingEvent) => void (event.kind === "part" && events.push(event.name));
    const out = folder.in("head");
    const fitted = await fineTune(options({ out, onEvent }));
    expect(events).toEqual(["features", "head"]);
    expect(fitted.best.accuracy).toBe(1);
    const { tensors } = await readTensors(await readWeights(join(out, fileNames.best)));
    const { weights: before } = await fit(tinyRun({ weights, epochs: 1, learningRate: 1e-30, freeze: ["conv1"] }));
    const trunk = await readTensors(before);
    expect(tensors.get("conv1.weight")).toEqual(trunk.tensors.get("conv1.weight"));
    expect(tensors.get("fc.weight")).not.toEqual(trunk.tensors.get("fc.weight"));
    await using classifier = await load({ weights: join(out, fileNames.best), backend: "reference" });
    const [best] = await classifier.classify({ width: 8, height: 8, data: new Uint8Array(192).fill(210) });
    expect(best?.label).toBe("light");
  });

  it("of the last layer alone is not done twice, and other options are refused", async () => {
    const out = folder.in("twice");
    const first = await fineTune(options({ out }));
    const events: string[] = [];
    const again = await fineTune(options({ out, onEvent: ({ kind }: TrainingEvent) => events.push(kind) }));
    expect(events).toEqual([]);
    expect(again.best).toEqual(first.best);
    expect(again.judged.map(({ predicted }) => predicted)).toEqual(first.judged.map(({ predicted }) => predicted));
    const others = options({ out, head: { epochs: 3 } });
    await expect(fineTune(others)).rejects.toThrow(/it differs in the last layer's training; give the options/);
    await expect(fineTune(options({ out, epochs: 2 }))).rejects.toThrow(/it differs in epochs/);
  });

  it("sees a picture in several views", async () => {
    const totals = new Set<number>();
    const onProgress = ({ stage, total }: { stage: string; total: number }) =>
      stage === "features" && totals.add(total);
    const { best } = await fineTune(
      options({ head: { epochs: 20, batch: 16, learningRate: 0.1, views: 3 }, onProgress }),
    );
    expect([...totals]).toEqual([32 * 3 + 8]);
    expect(best.accuracy).toBe(1);
  });

  it("then of the whole network begins with the trained layer", async () => {
    const events: string[] = [];
    const losses: number[] = [];
    const onEvent = (event: TrainingEvent) => {
      if (event.kind === "part") events.push(event.name);
      if (event.kind === "step" && events.at(-1) === "network") losses.push(event.loss);
    };
    const { history } = await fineTune(options({ epochs: 2, learningRate: 1e-3, augmentation: {}, onEvent }));
    expect(events).toEqual(["features", "head", "network"]);
    expect(history).toHaveLength(2);
    expect(losses[0]).toBeLessThan(0.5 * Math.log(2)); // half the loss of a layer that knows nothing
  });

  it("goes on to the same bits after an abort in either part", async () => {
    const whole = folder.in("whole");
    const run = options({ epochs: 2 });
    await fineTune({ ...run, out: whole });
    for (const part of ["features", "head", "network"]) {
      const out = folder.in(`after-${part}`);
      const stop = new AbortController();
      let now = "";
      const onEvent = (event: TrainingEvent) => {
        if (event.kind === "part") now = event.name;
        const isStep = event.kind === "step" && event.step === 3;
        if (now === part && (isStep || part === "features")) stop.abort();
      };
      await expect(fineTune({ ...run, out, signal: stop.signal, onEvent })).rejects.toThrow(AbortError);
      await fineTune({ ...run, out });
      for (const name of Object.values(fileNames))
        expect(await readFile(join(out, name)), `${name} after ${part}`).toEqual(await readFile(join(whole, name)));
    }
    expect((await decodeCheckpoint(join(whole, fileNames.checkpoint))).state.epoch).toBe(2);
  });

  it("names pictures that cannot be read, and goes on without", async () => {
    const files = Object.fromEntries(
      Array.from({ length: 12 }, (_, i) => [`${i % 2 ? "a" : "b"}/${i}.png`, i === 5 ? "no picture" : noise(i, 8)]),
    );
    await writePictures(folder.in("corrupt"), files);
    const whole = await classFolders(folder.in("corrupt"));
    const warnings: string[] = [];
    const onWarning = (message: string) => void warnings.push(message);
    const { unreadable } = await fineTune(options({ train: whole, heldOut: whole, head: { epochs: 1 }, onWarning }));
    expect(unreadable).toEqual([join("a", "5.png")]);
    expect(warnings.filter((message) => message.includes("5.png"))).toHaveLength(1);
  });

  it("needs weights", async () => {
    await expect(fineTune(options({ weights: undefined }) as Parameters<typeof fineTune>[0])).rejects.toThrow(
      OptionError,
    );
  });
});
