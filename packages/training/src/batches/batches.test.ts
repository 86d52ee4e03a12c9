import { AbortError, FormatError, tensor, variants } from "@residual/core";
import { temporaryFolder } from "@residual/kit/testing/folder";
import { normalize } from "@residual/vision";
import fc from "fast-check";
import { afterAll, describe, expect, it } from "vitest";
import type { Augmentation } from "../augment/augmentation.ts";
import { checkAugmentation } from "../augment/check-augmentation.ts";
import { classFolders } from "../data/class-folders.ts";
import type { Dataset } from "../data/dataset.ts";
import { dataset } from "../data/given.ts";
import { orderOf } from "../data/order.ts";
import { toSharedBytes } from "../shared-bytes.ts";
import { noise, noiseDataset } from "../testing/noise.ts";
import { writePictures } from "../testing/pictures.ts";
import { type BatchMaker, onThisThread } from "./batch-maker.ts";
import { type BatchPlan, batchCount, batches, type IndexedBatch } from "./batches.ts";
import type { BatchRecipe } from "./make-batch.ts";
import { BatchThreads } from "./threads.ts";

const folder = temporaryFolder();
const preprocessing = { ...variants.cifar_resnet20.preprocessing, resize: 8, crop: 8 };
const plain: BatchRecipe = {
  input: [3, 8, 8],
  preprocessing,
  classes: 2,
  augmentation: {},
  labelSmoothing: 0,
  unreadable: "replace",
};
const everything: Augmentation = {
  resizedCrop: {},
  crop: { padding: 2, mode: "reflect" },
  flip: 0.5,
  jitter: { brightness: 0.4, contrast: 0.4, saturation: 0.4, hue: 0.1 },
  erasing: { value: "random" },
  mixup: 0.2,
  cutmix: 1,
};

const threads = [new BatchThreads(1), new BatchThreads(3)];
afterAll(async () => {
  for (const each of threads) await each.close();
});

async function all(plan: BatchPlan, maker: BatchMaker): Promise<readonly IndexedBatch[]> {
  const made: IndexedBatch[] = [];
  for await (const batch of batches(plan, maker)) made.push(batch);
  return made;
}

const planOf = (of: Dataset, changes: Partial<BatchPlan> = {}): BatchPlan => ({
  dataset: of,
  order: orderOf(of, "shuffled", 1)(0),
  size: 4,
  recipe: plain,
  isLastPartial: false,
  ...changes,
});

describe("batches", () => {
  it("hold normalized pictures and one-hot targets, in the order's order", async () => {
    const of = noiseDataset([3, 3], 8);
    const [batch, ...more] = await all(planOf(of, { order: [5, 0, 3, 1, 2, 4] }), onThisThread());
    expect(more).toEqual([]);
    expect(Array.from(batch!.indices)).toEqual([5, 0, 3, 1]);
    expect(Array.from(batch!.labels)).toEqual([1, 0, 1, 0]);
    expect(Array.from(batch!.target.data)).toEqual([0, 1, 1, 0, 0, 1, 1, 0]);
    const { picture } = of.examples[5]!;
    const expected = "pixels" in picture ? normalize(picture.pixels, preprocessing).data : [];
    expect(batch!.image.shape).toEqual([4, 3, 8, 8]);
    expect(batch!.image.data.subarray(0, expected.length)).toEqual(expected);
  });

  it("may end with a smaller one", async () => {
    const plan = planOf(noiseDataset([3, 3], 8), { isLastPartial: true });
    expect((await all(plan, onThisThread())).map(({ image }) => image.shape[0])).toEqual([4, 2]);
    expect([batchCount(plan), batchCount({ ...plan, isLastPartial: false })]).toEqual([2, 1]);
  });

  it("smooth and weigh targets as PyTorch's cross entropy does", async () => {
    const recipe = { ...plain, labelSmoothing: 0.1, classWeights: [2, 0.5] };
    const [batch] = await all(planOf(noiseDataset([2, 2], 8), { order: [0, 2], size: 2, recipe }), onThisThread());
    const expected = [2 * (0.9 + 0.05), 0.5 * 0.05, 2 * 0.05, 0.5 * (0.9 + 0.05)];
    expect(Array.from(batch!.target.data)).toEqual(expected.map((value) => expect.closeTo(value, 6) as number));
  });

  it("are the same on this thread, on one thread and on three, and from any batch on", async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer(), fc.nat(5), fc.nat(4), async (seed, epoch, first) => {
        const of = noiseDataset([9, 9], 11);
        const recipe = { ...plain, augmentation: everything };
        const plan = planOf(of, { recipe, draw: { seed, epoch }, order: orderOf(of, "shuffled", seed)(epoch) });
        const expected = await all(plan, onThisThread());
        for (const maker of threads) expect(await all(plan, maker)).toEqual(expected);
        expect(await all({ ...plan, first }, threads[1]!)).toEqual(expected.slice(first));
        const other = await all({ ...plan, draw: { seed, epoch: epoch + 1 } }, onThisThread());
        expect(other[0]!.image).not.toEqual(expected[0]!.image);
      }),
      { numRuns: 8 },
    );
  });

  it("of pixels in shared memory are those of the same pixels elsewhere", async () => {
    const of = noiseDataset([3, 3], 8);
    const examples = of.examples.map((example) => {
      if (!("pixels" in example.picture)) return example;
      const { pixels } = example.picture;
      return { ...example, picture: { pixels: { ...pixels, data: toSharedBytes(pixels.data) } } };
    });
    expect(await all(planOf({ ...of, examples }), threads[0]!)).toEqual(await all(planOf(of), onThisThread()));
  });

  it("take numbers as they are, cropped and flipped but not normalized", async () => {
    const numbers = tensor([1, 2, 3], [1, 2, 3, 4, 5, 6]);
    const given = await dataset([{ image: numbers, label: 0 }], { labels: ["a", "b"] });
    const recipe: BatchRecipe = { ...plain, input: [1, 2, 3], preprocessing: undefined };
    const plan = planOf(given, { recipe, size: 1 });
    const [same] = await all(plan, onThisThread());
    expect(Array.from(same!.image.data)).toEqual([1, 2, 3, 4, 5, 6]);
    const flips = { ...recipe, augmentation: { flip: 1 } };
    const [flipped] = await all({ ...plan, recipe: flips, draw: { seed: 1, epoch: 0 } }, onThisThread());
    expect(Array.from(flipped!.image.data)).toEqual([3, 2, 1, 6, 5, 4]);
  });

  it("of another shape than the model's input are refused by name", async () => {
    const plan = planOf(noiseDataset([2, 2], 8), { recipe: { ...plain, input: [3, 9, 9] } });
    await expect(all(plan, threads[0]!)).rejects.toThrow(/\[3, 8, 8\], expected \[3, 9, 9\], the model's input/);
  });

  it("wait for the caller: no more are made ahead than the maker makes at a time, and one", async () => {
    let made = 0;
    const inner = onThisThread();
    const maker: BatchMaker = {
      ...inner,
      atATime: 2,
      make(request) {
        made++;
        return inner.make(request);
      },
    };
    const running = batches(planOf(noiseDataset([20, 20], 8)), maker);
    await running.next();
    expect(made).toBe(3);
    await running.next();
    expect(made).toBe(4);
    await running.return(undefined);
  });

  it("end with AbortError once the signal is aborted", async () => {
    const stop = new AbortController();
    const running = batches(planOf(noiseDataset([20, 20], 8)), threads[1]!, stop);
    await running.next();
    stop.abort();
    await expect(running.next()).rejects.toThrow(AbortError);
  });
});

describe("pictures that cannot be read", () => {
  const files = { "a/1.png": noise(1, 8), "a/2.png": "no picture", "b/1.png": noise(2, 8), "b/2.png": noise(3, 8) };

  it("are named, and another of the batch takes their place", async () => {
    await writePictures(folder.in("damaged"), files);
    const of = await classFolders(folder.in("damaged"));
    const [batch] = await all(planOf(of, { order: [0, 1, 2, 3] }), threads[0]!);
    expect(batch!.unreadable).toEqual([
      { name: "a/2.png", code: "FormatError", message: expect.stringContaining("2.png") as string },
    ]);
    expect(Array.from(batch!.indices)).toEqual([0, 2, 2, 3]);
    expect(Array.from(batch!.labels)).toEqual([0, 1, 1, 1]);
    const rows = [1, 2].map((row) => batch!.image.data.subarray(row * 192, (row + 1) * 192));
    expect(rows[0]).toEqual(rows[1]);
  });

  it("are left out where the batch may be smaller", async () => {
    await writePictures(folder.in("left-out"), files);
    const of = await classFolders(folder.in("left-out"));
    const recipe = { ...plain, unreadable: "leave out" } as const;
    const [batch] = await all(planOf(of, { order: [0, 1, 2, 3], recipe }), threads[0]!);
    expect(batch!.image.shape[0]).toBe(3);
    expect(Array.from(batch!.indices)).toEqual([0, 2, 3]);
  });

  it("fail a batch without any other", async () => {
    await writePictures(folder.in("all-damaged"), { "a/1.png": "x", "b/1.png": "y" });
    const of = await classFolders(folder.in("all-damaged"));
    const work = all(planOf(of, { size: 2 }), threads[0]!);
    await expect(work).rejects.toThrow(FormatError);
    await expect(work).rejects.toThrow("none of a batch's 2 pictures can be read");
  });
});

describe("checkAugmentation", () => {
  it.each([
    [{ flip: 1.5 }, "`flip` is the number 1.5, expected a number from 0 to 1"],
    [{ crop: { padding: -1 } }, "`crop.padding` is the number -1"],
    [{ jitter: { hue: 0.6 } }, "`jitter.hue` is the number 0.6"],
    [{ mixup: 0 }, "`mixup` is the number 0, expected a number above 0"],
    [
      { resizedCrop: { scale: [0.5, 0.2] } },
      "`resizedCrop.scale[1]` is the number 0.2, expected a number of at least the first",
    ],
  ] as const)("refuses %j", (augmentation, words) => {
    expect(() => checkAugmentation(augmentation)).toThrow(words);
  });

  it("takes all defaults", () => {
    checkAugmentation(everything);
  });
});
