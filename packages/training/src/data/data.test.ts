import { mkdir, writeFile } from "node:fs/promises";
import { basename } from "node:path";
import { FormatError, tensor } from "@residual/core";
import { temporaryFolder } from "@residual/kit/testing/folder";
import { OptionError } from "@residual/pipeline";
import { CIFAR10_RECORD } from "@residual/vision";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { noise, noiseDataset } from "../testing/noise.ts";
import { writePictures } from "../testing/pictures.ts";
import { cifar10 } from "./cifar10.ts";
import { classFolders } from "./class-folders.ts";
import { indicesByClass } from "./dataset.ts";
import { dataset } from "./given.ts";
import { openData } from "./open-data.ts";
import { classWeights, orderOf } from "./order.ts";
import { split } from "./split.ts";

const folder = temporaryFolder();
const png = noise(1, 2);

describe("class folders", () => {
  it("are classes in order, their pictures in the order of ImageFolder", async () => {
    const files = ["cat/b.png", "cat/a.png", "dog/deep/c.png", "ant/z.png", ".hidden/x.png", "cat/notes.txt"];
    await writePictures(folder.in("animals"), Object.fromEntries(files.map((path) => [path, png])));
    const found = await classFolders(folder.in("animals"));
    expect(found.labels).toEqual(["ant", "cat", "dog"]);
    expect(found.examples.map(({ name, label }) => [name, label])).toEqual([
      ["ant/z.png", 0],
      ["cat/a.png", 1],
      ["cat/b.png", 1],
      ["dog/deep/c.png", 2],
    ]);
  });

  it("without pictures are refused by name", async () => {
    await writePictures(folder.in("empty"), { "a/1.png": png, "c/1.png": png });
    await mkdir(folder.in("empty/b"));
    await expect(classFolders(folder.in("empty"))).rejects.toThrow(/no pictures in b; a class without pictures/);
    await expect(classFolders(folder.in("empty"))).rejects.toThrow(FormatError);
  });

  it("are two or more", async () => {
    await writePictures(folder.in("one"), { "a/1.png": png });
    await mkdir(folder.in("none"));
    await expect(classFolders(folder.in("one"))).rejects.toThrow("found one folder (a)");
    await expect(classFolders(folder.in("none"))).rejects.toThrow("found no folders");
    await expect(classFolders(folder.in("one/a/1.png"))).rejects.toThrow("found a file, expected a folder");
    await expect(classFolders(folder.in("nowhere"))).rejects.toThrow("found nothing, expected a folder");
  });
});

describe("CIFAR-10 files", () => {
  const records = (labels: readonly number[]) => {
    const bytes = new Uint8Array(labels.length * CIFAR10_RECORD).fill(7);
    for (const [image, label] of labels.entries()) bytes[image * CIFAR10_RECORD] = label;
    bytes[1 + 1024] = 200; // the first image's first green
    return bytes;
  };

  it("are pixels in shared memory, one file after the other", async () => {
    await writeFile(folder.in("b1.bin"), records([3, 5]));
    await writeFile(folder.in("b2.bin"), records([9]));
    const { examples, labels } = await cifar10([folder.in("b1.bin"), folder.in("b2.bin")]);
    expect(examples.map(({ name, label }) => `${name} ${labels[label]}`)).toEqual([
      "b1.bin: image 0 cat",
      "b1.bin: image 1 dog",
      "b2.bin: image 0 truck",
    ]);
    const { picture } = examples[0]!;
    const pixels = "pixels" in picture ? picture.pixels : undefined;
    expect(Array.from(pixels!.data.subarray(0, 6))).toEqual([7, 200, 7, 7, 7, 7]);
    expect(pixels!.data.buffer).toBeInstanceOf(SharedArrayBuffer);
  });

  it("cut short are refused by name", async () => {
    await writeFile(folder.in("cut.bin"), records([1]).subarray(1));
    await expect(cifar10([folder.in("cut.bin")])).rejects.toThrow(/cut\.bin: CIFAR-10 file: found 3072 bytes/);
  });

  it("called test_batch.bin are held out", async () => {
    await mkdir(folder.in("cifar"));
    for (const name of ["data_batch_1.bin", "data_batch_2.bin", "test_batch.bin"])
      await writeFile(folder.in("cifar", name), records([0, 1]));
    const { train, heldOut } = await openData(folder.in("cifar"));
    expect([train.examples.length, heldOut.examples.length]).toEqual([4, 2]);
    expect(heldOut.examples[0]!.name).toBe("test_batch.bin: image 0");
  });
});

describe("given examples", () => {
  it("come from any iterable, with labels as names", async () => {
    async function* examples() {
      yield { image: noise(1, 4), label: "dog", name: "rex" };
      yield { image: noise(2, 4), label: "cat" };
    }
    const found = await dataset(examples());
    expect(found.labels).toEqual(["cat", "dog"]);
    expect(found.examples.map(({ name, label }) => [name, label])).toEqual([
      ["rex", 1],
      ["example 1", 0],
    ]);
  });

  it("keep paths as paths, files as bytes, numbers as copies", async () => {
    const numbers = tensor([1, 2, 2], [1, 2, 3, 4]);
    const file = new Blob([new Uint8Array([1, 2, 3])]);
    const given = [
      { image: "somewhere.png", label: 0 },
      { image: file, label: 1 },
      { image: numbers, label: 0 },
    ];
    const { examples } = await dataset(given, { labels: ["a", "b"] });
    numbers.data.fill(0);
    const [path, bytes, kept] = examples.map(({ picture }) => picture);
    expect(path).toEqual({ path: "somewhere.png" });
    expect(bytes && "file" in bytes && Array.from(bytes.file)).toEqual([1, 2, 3]);
    expect(kept && "tensor" in kept && Array.from(kept.tensor.data)).toEqual([1, 2, 3, 4]);
  });

  it.each([
    ["another label", [{ image: png, label: "x" }], "example 0: found the class x, expected one of a, b"],
    ["another count of labels", [{ image: png, label: 2 }], "example 0: found the class 2, expected one of a, b"],
    ["NaN", [{ image: tensor([1, 1, 2], [0, NaN]), label: 0 }], "example 0: found NaN at index 1"],
    ["infinity", [{ image: tensor([1, 1, 1], [Infinity]), label: 0 }], "example 0: found Infinity at index 0"],
    ["another shape", [{ image: tensor([1, 1, 1, 1], [1]), label: 0 }], "example 0: found the shape [1, 1, 1, 1]"],
  ])("with %s are refused by name", async (_, examples, words) => {
    await expect(dataset(examples, { labels: ["a", "b"] })).rejects.toThrow(FormatError);
    await expect(dataset(examples, { labels: ["a", "b"] })).rejects.toThrow(words);
  });
});

describe("split", () => {
  const counts = fc.array(fc.integer({ min: 1, max: 30 }), { minLength: 1, maxLength: 5 });
  const names = ({ examples }: { readonly examples: readonly { readonly name: string }[] }) =>
    examples.map(({ name }) => name);

  it("parts each class by its share, in order, and loses no example", () => {
    fc.assert(
      fc.property(counts, fc.double({ min: 0.01, max: 0.99, noNaN: true }), fc.nat(), (counts, share, seed) => {
        fc.pre(Math.max(...counts) > 1);
        const whole = noiseDataset(counts, 1);
        const { train, heldOut } = split(whole, { share, seed });
        expect([...names(train), ...names(heldOut)].sort()).toEqual(names(whole).sort());
        for (const [label, count] of counts.entries()) {
          const held = indicesByClass(heldOut)[label]!.length;
          expect(held).toBe(count === 1 ? 0 : Math.min(Math.max(Math.round(count * share), 1), count - 1));
        }
        expect(split(whole, { share, seed })).toEqual({ train, heldOut });
      }),
    );
  });

  it("of a larger share holds out what a smaller one holds out, and seeds differ", () => {
    const whole = noiseDataset([40, 40], 1);
    const held = (share: number, seed: number) => names(split(whole, { share, seed }).heldOut);
    expect(held(0.5, 1)).toEqual(expect.arrayContaining(held(0.1, 1)));
    expect(held(0.5, 1)).not.toEqual(held(0.5, 2));
  });

  it("names a class with a single picture, and keeps it for training", () => {
    const { train } = split(noiseDataset([4, 1], 1));
    expect(train.notes).toEqual(["classes with a single picture, which is not held out: class 1"]);
  });

  it("refuses what cannot be parted", () => {
    expect(() => split(noiseDataset([1, 1], 1))).toThrow(OptionError);
    for (const share of [0, 1, NaN, -1]) expect(() => split(noiseDataset([4, 4], 1), { share })).toThrow(OptionError);
  });
});

describe("openData", () => {
  it("takes train and val as they are", async () => {
    const files = { "train/a/1.png": png, "train/b/1.png": png, "val/a/2.png": png, "val/b/2.png": png };
    await writePictures(folder.in("parted"), files);
    const { train, heldOut } = await openData(folder.in("parted"));
    expect([train, heldOut].map(({ examples }) => examples.map(({ name }) => basename(name)))).toEqual([
      ["1.png", "1.png"],
      ["2.png", "2.png"],
    ]);
  });

  it("refuses train and val with other classes, and names those", async () => {
    const files = { "train/a/1.png": png, "train/b/1.png": png, "val/b/2.png": png, "val/c/2.png": png };
    await writePictures(folder.in("unlike"), files);
    await expect(openData(folder.in("unlike"))).rejects.toThrow("a only in the first, c only in the second");
  });

  it("refuses what is not there", async () => {
    await expect(openData(folder.in("nothing"))).rejects.toThrow("was not found");
  });
});

describe("orders", () => {
  it("have every example once, another order each epoch, and the same again", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 60 }), fc.nat(), fc.nat(9), (count, seed, epoch) => {
        const order = orderOf(noiseDataset([count], 1), "shuffled", seed);
        expect(Array.from(order(epoch)).sort((a, b) => a - b)).toEqual(Array.from({ length: count }, (_, i) => i));
        expect(order(epoch)).toEqual(order(epoch));
        if (count > 20) expect(order(epoch)).not.toEqual(order(epoch + 1));
      }),
    );
  });

  it("that are balanced have all classes equally often, and each example of a rare class before any again", () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 1, max: 25 }), { minLength: 2, maxLength: 5 }),
        fc.nat(),
        fc.nat(9),
        (counts, seed, epoch) => {
          const whole = noiseDataset(counts, 1);
          const order = Array.from(orderOf(whole, "balanced", seed)(epoch));
          expect(order).toHaveLength(whole.examples.length);
          const drawn = counts.map((_, label) => order.filter((index) => whole.examples[index]!.label === label));
          const sizes = drawn.map(({ length }) => length);
          expect(Math.max(...sizes) - Math.min(...sizes)).toBeLessThanOrEqual(1);
          for (const indices of drawn) {
            const times = indicesByClass(whole)[whole.examples[indices[0]!]!.label]!.map(
              (index) => indices.filter((each) => each === index).length,
            );
            expect(Math.max(...times) - Math.min(...times)).toBeLessThanOrEqual(1);
          }
        },
      ),
    );
  });

  it("weigh classes by scikit-learn's formula", () => {
    // compute_class_weight("balanced", y=[0]*6 + [1]*2 + [2]*4): 12 / (3 * count)
    expect(classWeights(noiseDataset([6, 2, 4], 1))).toEqual([12 / 18, 2, 1]);
  });
});
