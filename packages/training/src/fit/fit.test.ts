import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import {
  AbortError,
  adamw,
  applyOp,
  FormatError,
  graph,
  input,
  parameter,
  reference,
  sgd,
  tensor,
} from "@residual/core";
import { temporaryFolder } from "@residual/kit/testing/folder";
import { load, OptionError } from "@residual/pipeline";
import { readTensors, readWeights } from "@residual/weights";
import { describe, expect, it } from "vitest";
import { classFolders } from "../data/class-folders.ts";
import { dataset } from "../data/given.ts";
import { split } from "../data/split.ts";
import { fit, folderStore, type TrainingEvent } from "../index.ts";
import { constantSchedule } from "../schedules/schedules.ts";
import { noise } from "../testing/noise.ts";
import { writePictures } from "../testing/pictures.ts";
import { shades, tinyNet, tinyRun } from "../testing/tiny.ts";
import { decodeCheckpoint } from "./checkpoint.ts";
import { NonFiniteError } from "./non-finite.ts";
import type { FitOptions } from "./options.ts";
import { fileNames } from "./store.ts";

const folder = temporaryFolder();
const filesOf = (out: string) => Promise.all(Object.values(fileNames).map((name) => readFile(join(out, name))));

/** Runs, and aborts at an event. */
async function fitUntil(options: FitOptions, isLast: (event: TrainingEvent) => boolean): Promise<void> {
  const stop = new AbortController();
  const onEvent = (event: TrainingEvent) => {
    if (isLast(event)) stop.abort();
  };
  await expect(fit({ ...options, signal: stop.signal, onEvent })).rejects.toThrow(AbortError);
}

describe("fit", () => {
  it("learns, and its weights need nothing else", async () => {
    const out = folder.in("learns");
    const events: TrainingEvent[] = [];
    const options = tinyRun({ epochs: 4, optimizer: adamw(), learningRate: 0.02, out });
    const fitted = await fit({ ...options, onEvent: (event) => events.push(event) });
    expect(fitted.best.accuracy).toBe(1);
    expect(fitted.scores).toMatchObject({
      images: 8,
      accuracy: 1,
      confusion: [
        [4, 0],
        [0, 4],
      ],
    });
    expect(fitted.judged.map(({ index }) => index)).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
    expect(fitted.history.map(({ epoch }) => epoch)).toEqual([1, 2, 3, 4]);
    expect(events.map(({ kind }) => kind).join(" ")).toBe(
      `start${" step step step step step checkpoint epoch".repeat(4)}`,
    );

    await using classifier = await load({ weights: join(out, fileNames.best), backend: "reference" });
    for (const [label, shade] of [
      ["dark", 20],
      ["light", 220],
    ] as const) {
      const [best] = await classifier.classify({ width: 8, height: 8, data: new Uint8Array(192).fill(shade) });
      expect(best?.label).toBe(label);
    }
  });

  it("gives the same bits again, on any number of threads, and others with another seed", async () => {
    const runs = [0, 2, 0].map((threads, at) => ({ threads, seed: at === 2 ? 1 : 0, out: folder.in(`again-${at}`) }));
    for (const changes of runs) await fit(tinyRun(changes));
    const [first, second, third] = await Promise.all(runs.map(({ out }) => filesOf(out)));
    expect(second).toEqual(first);
    expect(third).not.toEqual(first);
  });

  it("keeps files in memory without a folder", async () => {
    const { weights, best } = await fit(tinyRun({ epochs: 1 }));
    expect(weights.labels).toEqual(["dark", "light"]);
    expect(weights.metadata.accuracy).toBe(String(best.accuracy));
  });

  it("stops early once nothing improves", async () => {
    const earlyStopping = { patience: 2, by: "loss", least: 1e9 } as const;
    const { history } = await fit(tinyRun({ epochs: 9, earlyStopping }));
    expect(history).toHaveLength(3);
  });

  it("trains and saves averages, accumulates, weighs classes, smooths labels", async () => {
    const options = tinyRun({
      average: 0.5,
      accumulate: 2,
      classWeights: "balanced",
      labelSmoothing: 0.1,
      sampling: "balanced",
      out: folder.in("averages"),
    });
    const { weights } = await fit(options);
    const { variables } = await decodeCheckpoint(folder.in("averages", fileNames.checkpoint));
    const last = await readTensors(await readWeights(folder.in("averages", fileNames.last)));
    const average = Float32Array.from(variables.get("fc.weight.ema")!.data);
    expect(last.tensors.get("fc.weight")!.data).toEqual(average);
    expect(weights.tensors.has("fc.weight.ema")).toBe(false);
  });
});

describe("a run goes on to the same bits", () => {
  it.each([
    ["at the first step", (event: TrainingEvent) => event.kind === "step" && event.step === 1],
    ["in the middle of an epoch", (event: TrainingEvent) => event.kind === "step" && event.step === 3],
    ["before the held-out pictures are judged", (event: TrainingEvent) => event.kind === "step" && event.step === 5],
    ["between two epochs", (event: TrainingEvent) => event.kind === "epoch" && event.epoch === 1],
    ["at the last step", (event: TrainingEvent) => event.kind === "step" && event.step === 10],
  ])("after an abort %s", async (name, isLast) => {
    const [whole, parts] = [folder.in(`whole ${name}`), folder.in(`parts ${name}`)];
    const expected = await fit(tinyRun({ out: whole }));
    await fitUntil(tinyRun({ out: parts }), isLast);
    const resumed = await fit(tinyRun({ out: parts }));
    expect(await filesOf(parts)).toEqual(await filesOf(whole));
    expect(resumed.history).toEqual(expected.history);
    expect(resumed.judged).toEqual(expected.judged);
  });

  it("from a checkpoint of some steps before, and a finished one is not run again", async () => {
    const [whole, parts] = [folder.in("old-whole"), folder.in("old-parts")];
    await fit(tinyRun({ out: whole }));
    await fitUntil(tinyRun({ out: parts, checkpointEvery: { steps: 2 } }), (e) => e.kind === "step" && e.step === 4);
    const checkpoint = await readFile(join(parts, fileNames.checkpoint));
    await fitUntil(tinyRun({ out: parts }), (event) => event.kind === "epoch");
    await writeFile(join(parts, fileNames.checkpoint), checkpoint); // as if the process had been killed
    await fit(tinyRun({ out: parts }));
    expect(await filesOf(parts)).toEqual(await filesOf(whole));
    const events: TrainingEvent[] = [];
    const again = await fit(tinyRun({ out: parts, onEvent: (event) => events.push(event) }));
    expect(events.map(({ kind }) => kind)).toEqual(["start"]);
    expect(again.judged).toHaveLength(8);
  });

  it("only with the options it was begun with: the message names those that differ", async () => {
    const out = folder.in("other-options");
    await fit(tinyRun({ out }));
    for (const [changes, words] of [
      [{ batch: 5 }, "graph, batch, learning rates"],
      [{ seed: 3 }, "differs in seed"],
      [{ learningRate: 0.5 }, "differs in learning rates"],
      [{ augmentation: {} }, "differs in pictures"],
      [{ optimizer: adamw() }, "differs in graph"],
    ] as const) {
      await expect(fit(tinyRun({ out, ...changes }))).rejects.toThrow(OptionError);
      await expect(fit(tinyRun({ out, ...changes }))).rejects.toThrow(words);
    }
  });

  it("not from a damaged checkpoint", async () => {
    const out = folder.in("damaged");
    await fit(tinyRun({ out }));
    const path = join(out, fileNames.checkpoint);
    const bytes = await readFile(path);
    bytes[bytes.length - 9]! ^= 1;
    await writeFile(path, bytes);
    await expect(fit(tinyRun({ out }))).rejects.toThrow(FormatError);
    await expect(fit(tinyRun({ out }))).rejects.toThrow("its digest is not that of its contents");
    await expect(decodeCheckpoint(join(out, fileNames.best))).rejects.toThrow("found no checkpoint");
  });
});

describe("numbers that are not finite", () => {
  /** One linear layer on four numbers. */
  const image = input("image", ["N", 4, 1, 1]);
  const flat = applyOp("flatten", { x: image }, {});
  const logits = applyOp(
    "linear",
    { x: flat, weight: parameter("fc.weight", [2, 4]), bias: parameter("fc.bias", [2]) },
    {},
  );
  const model = graph({ name: "line", inputs: { image }, outputs: { logits: { ...logits, name: "logits" } } });
  const numbers = (scale: number) =>
    dataset(
      Array.from({ length: 16 }, (_, i) => ({
        image: tensor(
          [4, 1, 1],
          [i % 2, (i * 7) % 5, (i * 3) % 4, 1].map((value) => value * scale),
        ),
        label: i % 2,
      })),
      { labels: ["even", "odd"] },
    );

  /** Each step multiplies the weights, which are at most 0.5, by 1e38: the second such step exceeds float32. */
  const optimizer = sgd({ momentum: 0, weightDecay: 1 });

  it("stop the run at the node that made them, after a learning rate that diverges", async () => {
    const { train, heldOut } = split(await numbers(1e-3), { share: 0.25 });
    const schedule = () => (step: number) => (step < 3 ? 0.1 : 1e38);
    const out = folder.in("diverges");
    const options = { model, train, heldOut, backend: reference, epochs: 9, batch: 4, optimizer, schedule, out };
    const error = await fit(options).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(NonFiniteError);
    const { place, message } = error as NonFiniteError;
    expect(place).toMatchObject({ step: 5, epoch: 2, learningRate: 1e38 });
    expect(place.found).toMatchObject({ name: "fc.weight.next", op: "descend" });
    expect(message).toContain("the first value that is not finite is fc.weight.next (descend)");
    expect(message).toContain("the checkpoint after step 3 is kept");
    const { state, variables } = await decodeCheckpoint(join(out, fileNames.checkpoint));
    expect(state).toMatchObject({ epoch: 1, batch: 0 });
    for (const { data } of variables.values()) expect(data.every((value) => Number.isFinite(value))).toBe(true);
  });

  it("in a weight are found at the end of an epoch, before they are kept", async () => {
    const { train, heldOut } = split(await numbers(1e-3), { share: 0.25 });
    const schedule = () => constantSchedule(1e38);
    const options = { model, train, heldOut, backend: reference, epochs: 9, batch: 12, optimizer, schedule };
    const error = await fit(options).catch((thrown: unknown) => thrown);
    expect((error as NonFiniteError).place).toMatchObject({ step: 2, found: { name: "fc.weight.next" } });
  });

  it("in a batch are named as its input", async () => {
    const { train, heldOut } = split(await numbers(1), { share: 0.25 });
    const [first] = train.examples;
    const poisoned = { ...first!, picture: { tensor: tensor([4, 1, 1], [1, Infinity, 1, 1]) } };
    const options = { model, heldOut, backend: reference, epochs: 1, batch: 12 };
    const run = fit({ ...options, train: { ...train, examples: [poisoned, ...train.examples.slice(1)] } });
    await expect(run).rejects.toThrow(/the first value that is not finite is image, with Infinity at index \d+/);
  });
});

describe("bad input", () => {
  it("a corrupt picture is named once, counted, and left out", async () => {
    const files = Object.fromEntries(
      Array.from({ length: 12 }, (_, i) => [`${i % 2 ? "a" : "b"}/${i}.png`, i === 5 ? "no picture" : noise(i, 8)]),
    );
    await writePictures(folder.in("corrupt"), files);
    const whole = await classFolders(folder.in("corrupt"));
    const damaged = whole.examples.findIndex(({ name }) => name.endsWith("5.png"));
    const train = whole;
    const heldOut = { ...whole, examples: whole.examples.filter((_, at) => at === damaged || at % 3 === 0) };
    const warnings: string[] = [];
    const options = tinyRun({ train, heldOut, epochs: 2, batch: 4, onWarning: (message) => warnings.push(message) });
    const { unreadable, scores } = await fit(options);
    expect(unreadable).toEqual([join("a", "5.png")]);
    expect(warnings).toEqual([expect.stringMatching(/^a.5\.png is left out \(1 so far\): .*5\.png/)]);
    expect(scores.images).toBe(heldOut.examples.length - 1);
  });

  it.each([
    [{ epochs: 0 }, "`epochs` is 0, expected a whole number from 1"],
    [{ batch: 1.5 }, "`batch` is 1.5"],
    [{ heldOut: { ...shades(2), labels: ["dark"] } }, "have 1 labels (dark), those to train on 2 (dark, light)"],
    [{ heldOut: { ...shades(2), examples: [] } }, "no pictures to train on, or none to judge by"],
    [{ classWeights: [1, 2, 3] }, "3 class weights for 2 classes"],
    [{ labelSmoothing: 1 }, "`labelSmoothing` is 1"],
    [{ augmentation: { flip: 2 } }, "`flip` is the number 2"],
    [{ learningRate: -1 }, "`rate` is -1"],
    [{ model: "resnet19" }, "did you mean resnet1"],
  ] as const)("%j is refused", async (changes, words) => {
    await expect(fit(tinyRun(changes))).rejects.toThrow(OptionError);
    await expect(fit(tinyRun(changes))).rejects.toThrow(words);
  });

  it("held-out pictures none of which can be read are an error", async () => {
    await writePictures(folder.in("unreadable"), { "dark/1.png": "x", "light/1.png": "y" });
    const heldOut = await classFolders(folder.in("unreadable"));
    await expect(fit(tinyRun({ heldOut }))).rejects.toThrow("none of the 2 pictures to judge by can be read");
  });
});

describe("given weights", () => {
  it("of other labels keep their trunk, and the last layer begins anew, the same for a seed", async () => {
    const notes: string[] = [];
    const options = tinyRun({
      model: { ...tinyNet, classes: 7 },
      weights: "fixture:v1",
      learningRate: 1e-30,
      epochs: 1,
      onWarning: (message) => notes.push(message),
    });
    const first = await fit(options);
    const second = await fit(options);
    expect(notes[0]).toBe("the last layer begins anew, for 2 classes");
    expect(first.weights.tensors.get("fc.weight")!.shape).toEqual([2, 4]);
    expect(second.weights.tensors).toEqual(first.weights.tensors);
  });

  it("leave frozen parameters as they are", async () => {
    const { weights } = await fit(
      tinyRun({ weights: "fixture:v1", freeze: ["conv1", "bn1"], out: folder.in("frozen") }),
    );
    const { variables } = await decodeCheckpoint(folder.in("frozen", fileNames.checkpoint));
    expect(variables.has("conv1.weight")).toBe(false);
    expect(variables.has("layer1.0.conv1.weight")).toBe(true);
    expect(weights.tensors.has("conv1.weight")).toBe(true);
  });

  it("begin with another learning rate by default", async () => {
    const rates: number[] = [];
    const onEvent = (event: TrainingEvent) => void (event.kind === "step" && rates.push(event.learningRate));
    await fit(tinyRun({ weights: "fixture:v1", epochs: 1, onEvent }));
    expect(Math.max(...rates)).toBe(0.01);
  });
});

it("a folder of a store holds nothing before the first checkpoint", async () => {
  expect(await folderStore(folder.in("nowhere")).load("checkpoint")).toBeUndefined();
});
