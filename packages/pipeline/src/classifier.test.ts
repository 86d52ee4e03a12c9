import { readFile } from "node:fs/promises";
import { setTimeout } from "node:timers/promises";
import {
  bind,
  fixtureWeights,
  type NamedSource,
  reference,
  resnet,
  type Signal,
  select,
  sizeOf,
  tensor,
  UnsupportedError,
  variants,
  WeightsError,
} from "@residual/core";
import { cropArea, decodeImage, preprocess } from "@residual/vision";
import { readWeights, Weights } from "@residual/weights";
import { describe, expect, it } from "vitest";
import { batchFor } from "./classifier.ts";
import { load, OptionError } from "./index.ts";
import { photo } from "./testing/photo.ts";

const photos = ["chelsea.png", "coffee.png", "rocket.jpg"].map(photo);
const [chelsea] = photos as [string];

async function all<T>(values: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const value of values) found.push(value);
  return found;
}

describe("classifyAll", () => {
  it("answers as classify does, in order, with progress", async () => {
    await using classifier = await load();
    const progress: unknown[] = [];
    const found = await all(classifier.classifyAll(photos, { top: 2, onProgress: (each) => progress.push(each) }));
    for (const [index, picture] of photos.entries()) {
      const predictions = await classifier.classify(picture, { top: 2 });
      const close = predictions.map((each) => ({
        ...each,
        probability: expect.closeTo(each.probability, 5) as number,
      }));
      expect(found[index]).toEqual({ picture, predictions: close });
    }
    expect(progress).toEqual([1, 2, 3].map((done) => ({ stage: "classify", done, total: 3 })));
  });

  it("puts the error of a damaged picture in its place, and goes on", async () => {
    await using classifier = await load();
    const damaged = (await readFile(chelsea)).subarray(0, 2000);
    const found = await all(classifier.classifyAll([chelsea, damaged, "nowhere.png", chelsea], { top: 1 }));
    expect(found.map(({ predictions, error }) => error?.code ?? predictions?.[0]?.label)).toEqual([
      "cat",
      "FormatError",
      "FormatError",
      "cat",
    ]);
    expect(found.map(({ picture }) => picture)).toEqual([chelsea, damaged, "nowhere.png", chelsea]);
  });

  it("stops when it is aborted, and when the classifier is disposed", async () => {
    const classifier = await load();
    await expect(all(classifier.classifyAll(photos, { signal: AbortSignal.abort() }))).rejects.toMatchObject({
      code: "AbortError",
    });
    await classifier.dispose();
    await expect(all(classifier.classifyAll(photos))).rejects.toThrow(UnsupportedError);
  });

  it.each([
    ["a path", chelsea],
    ["bytes", new Uint8Array(8)],
    ["nothing", undefined],
    ["a number", 5],
  ])("refuses %s, which is not many pictures", async (_, pictures) => {
    await using classifier = await load({ backend: "reference" });
    await expect(all(classifier.classifyAll(pictures as never))).rejects.toThrow(OptionError);
  });

  it.each([
    [["N", 3, 32, 32], 32],
    [["N", 3, 224, 224], 4],
    [["N", 3, 640, 640], 1],
  ] as const)("runs images of %o in batches of %i", (shape, batch) => {
    expect(batchFor(shape)).toBe(batch);
  });
});

it("classify refuses an array, and names classifyAll", async () => {
  await using classifier = await load();
  const many: unknown = photos;
  await expect(classifier.classify(many as string)).rejects.toThrow("for many there is classifyAll");
});

describe("cam", () => {
  it("is the map of the likeliest class, or of one by its index or label, beside what classify answers", async () => {
    await using classifier = await load();
    const { preprocessing, graph } = classifier;
    await using expected = await reference.compile(select(graph, ["cam"]));
    const pixels = await decodeImage(chelsea);
    const { cam } = await expected.run({ image: preprocess(pixels, preprocessing) });
    const found = await classifier.cam(chelsea, { top: 2 });
    expect(found.pixels).toEqual(pixels);
    expect(found.area).toEqual(cropArea(pixels, preprocessing));
    const predictions = await classifier.classify(chelsea, { top: 2 });
    expect(found.predictions.map(({ label }) => label)).toEqual(predictions.map(({ label }) => label));
    expect(found.prediction).toEqual(found.predictions[0]);
    expect(found.prediction.label).toBe("cat");
    const dog = await classifier.cam(chelsea, { class: "dog", top: 1 });
    expect(await classifier.cam(chelsea, { class: dog.prediction.index, top: 1 })).toEqual(dog);
    expect(dog.prediction).toMatchObject({ label: "dog", probability: expect.closeTo(0.012, 3) as number });
    for (const { map, prediction } of [found, dog]) {
      const right = cam.data.subarray(prediction.index * 64, (prediction.index + 1) * 64);
      expect(map.shape).toEqual([8, 8]);
      expect(Array.from(map.data)).toEqual(Array.from(right, (value) => expect.closeTo(value, 4) as number));
    }
  });

  it.each([
    [10, "there is no class 10; the classes of cifar_resnet20 are 0 to 9"],
    [0.5, "there is no class 0.5; the classes of cifar_resnet20 are 0 to 9"],
    ["dgo", "there is no class dgo; did you mean dog?"],
    [["dog"], "the class is an array of 1, expected an index or a label"],
  ])("refuses the class %o", async (wrong, message) => {
    await using classifier = await load({ backend: "reference" });
    const call = classifier.cam(chelsea, { class: wrong as string });
    await expect(call).rejects.toThrow(OptionError);
    await expect(call).rejects.toThrow(message);
  });

  it("refuses a label that two classes have, and names both", async () => {
    const { tensors } = await readWeights("resnet20-cifar10");
    const labels = ["a", "b", "c", "d", "e", "f", "g", "h", "a", "j"];
    await using classifier = await load({
      model: { ...variants.cifar_resnet20, labels },
      weights: new Weights(tensors),
      backend: "reference",
    });
    await expect(classifier.cam(chelsea, { class: "a" })).rejects.toThrow("the classes 0 and 8 are both called a");
  });
});

describe("features", () => {
  it("are the graph's values, of a picture and of many, avgpool as [N, C]", async () => {
    await using classifier = await load();
    const { preprocessing, graph } = classifier;
    await using expected = await reference.compile(select(graph, ["avgpool", "layer3.2.relu"]));
    const run = async (picture: string) =>
      expected.run({ image: preprocess(await decodeImage(picture), preprocessing) });
    const one = await classifier.features("avgpool", chelsea);
    expect([one.dtype, one.shape]).toEqual(["float32", [1, 64]]);
    const close = (values: Iterable<number>) => Array.from(values, (value) => expect.closeTo(value, 4) as number);
    expect(Array.from(one.data)).toEqual(close((await run(chelsea)).avgpool.data));
    const many = await classifier.features(["avgpool", "layer3.2.relu"], photos);
    expect([many.avgpool.shape, many["layer3.2.relu"].shape]).toEqual([
      [3, 64],
      [3, 64, 8, 8],
    ]);
    for (const [index, picture] of photos.entries()) {
      const { avgpool, "layer3.2.relu": relu } = await run(picture);
      expect(Array.from(many.avgpool.data.subarray(index * 64, (index + 1) * 64))).toEqual(close(avgpool.data));
      expect(Array.from(many["layer3.2.relu"].data.subarray(index * 4096, (index + 1) * 4096))).toEqual(
        close(relu.data),
      );
    }
  });

  it("are float32 on the reference too", async () => {
    await using classifier = await load({ backend: "reference" });
    const { logits } = await classifier.features(["logits"], chelsea);
    expect([logits.dtype, logits.data.constructor]).toEqual(["float32", Float32Array]);
    const { preprocessing, executable } = classifier;
    const found = await executable.run({ image: preprocess(await decodeImage(chelsea), preprocessing) });
    expect(found.logits).toEqual(logits);
  });

  it("of as many pictures as there are take several runs", async () => {
    await using classifier = await load();
    const pictures = Array.from({ length: 40 }, (_, i) => photos[i % 3]!);
    const { shape, data } = await classifier.features("avgpool", pictures);
    expect(shape).toEqual([40, 64]);
    expect(data.slice(39 * 64)).toEqual((await classifier.features("avgpool", pictures.slice(37))).data.slice(128));
  });

  it("are compiled once for a set of names, and disposed with the classifier", async () => {
    const log: string[] = [];
    const backend = {
      ...reference,
      async compile(...[graph, options]: Parameters<typeof reference.compile>) {
        const executable = await reference.compile(graph, options);
        const names = Object.keys(graph.outputs).join();
        log.push(`compile ${names}`);
        const dispose = async () => {
          log.push(`dispose ${names}`);
          await executable.dispose();
        };
        return { ...executable, dispose, [Symbol.asyncDispose]: dispose };
      },
    } as typeof reference;
    const classifier = await load({ backend });
    await Promise.all([classifier.features("layer1", chelsea), classifier.features(["layer1"], photos)]);
    await classifier.features("stem", chelsea);
    await classifier.dispose();
    expect(log.toSorted()).toEqual(
      ["logits", "layer1", "stem"].flatMap((each) => [`compile ${each}`, `dispose ${each}`]).toSorted(),
    );
    await expect(classifier.features("stem", chelsea)).rejects.toThrow(UnsupportedError);
  });

  it("wait for one compile, which another call's abort does not stop, and the last one's does", async () => {
    const signals: Signal[] = [];
    const backend = {
      ...reference,
      async compile(...[graph, options]: Parameters<typeof reference.compile>) {
        if (options?.signal) signals.push(options.signal);
        await setTimeout(20);
        return reference.compile(graph, options);
      },
    } as typeof reference;
    await using classifier = await load({ backend });
    const aborts = [new AbortController(), new AbortController()];
    const [first, second] = aborts.map(({ signal }) => classifier.features("stem", chelsea, { signal }));
    const third = classifier.features("stem", chelsea);
    aborts[0]!.abort();
    await expect(first).rejects.toMatchObject({ code: "AbortError" });
    expect((await third).shape).toEqual((await second!).shape);
    expect(signals.map(({ aborted }) => aborted)).toEqual([false]);
    const alone = new AbortController();
    const last = classifier.features("layer1", chelsea, { signal: alone.signal });
    alone.abort();
    const next = classifier.features("layer1", chelsea);
    await expect(last).rejects.toMatchObject({ code: "AbortError" });
    expect((await next).shape).toEqual([1, 16, 32, 32]);
    expect(signals.map(({ aborted }) => aborted)).toEqual([false, false]); // the next call came in time
    const none = new AbortController();
    const stopped = classifier.features("layer2", chelsea, { signal: none.signal });
    none.abort();
    await expect(stopped).rejects.toMatchObject({ code: "AbortError" });
    expect(signals.at(-1)!.aborted).toBe(true);
    expect((await classifier.features("layer2", chelsea)).shape).toEqual([1, 32, 16, 16]);
  });

  it("of a name that the model does not have, or of no picture, are refused", async () => {
    await using classifier = await load({ backend: "reference" });
    await expect(classifier.features("layr3", chelsea)).rejects.toMatchObject({ code: "ShapeError" });
    await expect(classifier.features(chelsea, "avgpool")).rejects.toMatchObject({ code: "ShapeError" });
    await expect(classifier.features("avgpool", [])).rejects.toThrow(OptionError);
    await expect(classifier.features([], chelsea)).rejects.toThrow(OptionError);
    const withHole = Object.assign([chelsea], { 2: chelsea }) as never;
    await expect(classifier.features("avgpool", withHole)).rejects.toMatchObject({ code: "FormatError" });
  });
});

describe("answers that are no numbers", () => {
  /** The weights that ship inside, but for those of the last layer. */
  async function changed(value: (index: number) => number): Promise<Weights> {
    const { tensors, metadata } = await readWeights("resnet20-cifar10");
    const name = "fc.weight";
    const { shape } = tensors.get(name)!;
    const other = tensor(
      shape,
      Array.from({ length: sizeOf(shape) }, (_, index) => value(index)),
    );
    return new Weights(new Map<string, NamedSource>([...tensors, [name, other]]), metadata);
  }

  it.each<[string, (index: number) => number]>([
    ["infinity", () => 3e38],
    ["NaN", (index) => (index % 2 === 0 ? 3.4e38 : -3.4e38)], // infinity less infinity
  ])("%s: a WeightsError, of one picture and of many, and never a class", async (_, value) => {
    await using classifier = await load({ weights: await changed(value), backend: "onnx" });
    await expect(classifier.classify(chelsea)).rejects.toThrow(WeightsError);
    await expect(classifier.classify(chelsea)).rejects.toThrow(
      /cifar_resnet20 with the given weights answers (NaN|-?Infinity) for class \d/,
    );
    const [found] = await all(classifier.classifyAll([chelsea]));
    expect(found!.error).toBeInstanceOf(WeightsError);
  });
});

it("a classifier says what it consists of", async () => {
  await using classifier = await load();
  expect([classifier.labels?.[3], classifier.notes]).toEqual(["cat", []]);
  expect(classifier.graph.outputs.logits.shape).toEqual(["N", 10]);
  expect(classifier.backend.reason).toMatch(/^native code on the CPU|^measured: /);
  const open = resnet(variants.cifar_resnet20, { input: ["N", 3, 32, 32], name: "cifar_resnet20" });
  expect(Object.keys(classifier.graph.aliases)).toEqual(Object.keys(bind(open, fixtureWeights(open, "v1")).aliases));
});
