import { readFile } from "node:fs/promises";
import { pathToFileURL } from "node:url";
import { BackendUnavailableError, FormatError, ResidualError, UnsupportedError, WeightsError } from "@residual/core";
import { decodeImage } from "@residual/vision";
import { readWeights } from "@residual/weights";
import { describe, expect, it } from "vitest";
import { type LoadOptions, load, OptionError } from "./index.ts";
import { photo } from "./testing/photo.ts";

const chelsea = photo("chelsea.png");
const cat = { label: "cat", index: 3, probability: expect.closeTo(0.982, 3) as number }; // the card of the weights

describe("load", () => {
  it("classifies a path and the bytes of a file alike, with the weights inside", async () => {
    await using classifier = await load();
    const fromPath = await classifier.classify(chelsea);
    expect(fromPath).toHaveLength(5);
    expect(fromPath[0]).toEqual(cat);
    expect(await classifier.classify(await readFile(chelsea))).toEqual(fromPath);
    expect(await classifier.classify(pathToFileURL(chelsea))).toEqual(fromPath);
    expect(await classifier.classify(new Blob([await readFile(chelsea)]))).toEqual(fromPath);
    expect(await classifier.classify(await decodeImage(chelsea))).toEqual(fromPath);
    expect(await classifier.classify(chelsea, { top: 2 })).toEqual(fromPath.slice(0, 2));
  });

  it("says what it took", async () => {
    await using classifier = await load({ backend: "reference" });
    expect(classifier).toMatchObject({
      model: "cifar_resnet20",
      weights: "resnet20-cifar10",
      backend: { name: "reference", library: "@residual/core", device: "cpu", dtypes: ["float64"] },
      preprocessing: { resize: 32, crop: 32, interpolation: "bilinear" },
    });
  });

  it("takes changes of the preprocessing, and threads", async () => {
    await using classifier = await load({ preprocessing: { interpolation: "nearest" }, threads: 1 });
    expect(classifier.preprocessing).toMatchObject({ resize: 32, interpolation: "nearest" });
    expect((await classifier.classify(chelsea))[0]!.probability).not.toBeCloseTo(0.982, 3);
  });

  it("answers calls that overlap, each its own", async () => {
    await using classifier = await load();
    const pictures = [chelsea, photo("coffee.png"), photo("rocket.jpg")];
    const alone: unknown[] = [];
    for (const picture of pictures) alone.push(await classifier.classify(picture));
    expect(await Promise.all(pictures.map((picture) => classifier.classify(picture)))).toEqual(alone);
  });

  it("is over once disposed, by `await using` or by hand, twice too", async () => {
    const classifier = await load();
    await classifier.dispose();
    await classifier.dispose();
    await expect(classifier.classify(chelsea)).rejects.toThrow(UnsupportedError);
    let kept: Awaited<ReturnType<typeof load>>;
    {
      await using inside = await load();
      kept = inside;
    }
    await expect(kept.classify(chelsea)).rejects.toMatchObject({ code: "UnsupportedError" });
  });

  it("answers what is under way when it is disposed", async () => {
    const classifier = await load();
    const answer = classifier.classify(chelsea);
    await classifier.dispose();
    expect(await answer).toHaveLength(5);
  });

  it("tells how far it has come, and stops when aborted", async () => {
    const stages = new Set<string>();
    await using classifier = await load({ onProgress: ({ stage }) => stages.add(stage) });
    expect(stages).toContain("read weights");
    await expect(load({ signal: AbortSignal.abort() })).rejects.toMatchObject({ code: "AbortError" });
    await expect(classifier.classify(chelsea, { signal: AbortSignal.abort() })).rejects.toMatchObject({
      code: "AbortError",
    });
  });
});

describe("load refuses, with errors that have a class and a code", () => {
  it("weights without a last layer, and says how to take features", async () => {
    const { tensors } = await readWeights("resnet20-cifar10");
    const weights = { tensors: new Map([...tensors].filter(([name]) => !name.startsWith("fc."))) };
    const loading = load({ model: "cifar_resnet20", weights });
    await expect(loading).rejects.toThrow(WeightsError);
    await expect(loading).rejects.toThrow(/lack the last layer of cifar_resnet20, .*--outputs output/);
  });

  it.each([
    [{ model: "cifar_resnet2O" }, OptionError, /did you mean cifar_resnet20/],
    [
      { model: "resnet18" },
      OptionError,
      /no weights ship for resnet18; give `weights` resnet18 to download torchvision\/resnet18.v1 once, a file/,
    ],
    [{ model: "pytorch_unit", weights: "fixture:v1" }, OptionError, /pytorch_unit has no logits/],
    [{ backend: "onx" }, OptionError, /did you mean onnx/],
    [{ weights: "nowhere.safetensors" }, WeightsError, /nowhere\.safetensors/],
    [{ model: "cifar_resnet32", weights: "resnet20-cifar10" }, WeightsError, /problems between these weights/],
    [{ weights: "old.pth" }, WeightsError, /old\.pth/],
    [{ threads: 0 }, OptionError, /`threads` is 0, expected a whole number from 1/],
    [{ threads: "2" }, OptionError, /`threads` is "2", expected a whole number/],
    [{ model: "resnet5000" }, OptionError, /there is no model resnet5000; did you mean resnet/],
    [{ model: 50 }, OptionError, /`model` is 50, expected a name, or an object/],
    [{ bakend: "onnx" }, OptionError, /load: there is no option bakend; did you mean backend\?/],
    [{ signal: {} }, OptionError, /`signal` is an object \{\}, expected an AbortSignal/],
    [{ backend: {} }, OptionError, /`backend` is an object \{\}, expected a Backend/],
    [{ weights: null }, OptionError, /`weights` is null/],
    [null, OptionError, /load: the options are null, expected an object \{ model, weights/],
    ["resnet50", OptionError, /load: the options are "resnet50", expected an object/],
    [
      { preprocessing: { resise: 40 } },
      OptionError,
      /`preprocessing`: there is no option resise; did you mean resize\?/,
    ],
    [{ model: "resnet18", weights: { tensors: { get: () => undefined } } }, OptionError, /to be a Map of names/],
    [
      { model: "resnet18", weights: { tensors: new Map([["conv1.weight", 5]]) } },
      OptionError,
      /has under conv1\.weight: the number 5, expected a tensor/,
    ],
    [{ preprocessing: { crop: 0 } }, FormatError, /preprocessing\.crop: found 0/],
  ] as const)("%o", async (options, kind, message) => {
    const error: unknown = await load(options as LoadOptions).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(kind);
    expect(error).toBeInstanceOf(ResidualError);
    expect(error).not.toBeInstanceOf(BackendUnavailableError);
    expect((error as ResidualError).code).toBe(kind === OptionError ? "UnsupportedError" : kind.name);
    expect((error as ResidualError).message).toMatch(message);
  });

  it("a picture that is none, and goes on working", async () => {
    await using classifier = await load();
    await expect(classifier.classify(new Uint8Array(100))).rejects.toBeInstanceOf(FormatError);
    await using strict = await load({ maxPixels: 9 });
    await expect(strict.classify(chelsea)).rejects.toThrow("135300 pixels, expected at most 9;");
    await expect(classifier.classify(null as never)).rejects.toBeInstanceOf(FormatError);
    await expect(classifier.classify("nowhere.png")).rejects.toMatchObject({ code: "FormatError" });
    await expect(classifier.classify(chelsea, { top: 0 })).rejects.toMatchObject({
      code: "ShapeError",
      message: "`top` is 0, expected a whole number from 1 (topK.K2)",
    });
    expect((await classifier.classify(chelsea))[0]).toEqual(cat);
  });
});
