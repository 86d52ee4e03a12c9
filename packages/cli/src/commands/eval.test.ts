import { cp, mkdir, readFile, symlink, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { tensor } from "@residual/core";
import { crop, decodeImage } from "@residual/vision";
import { readTensors, readWeights, writeSafetensors } from "@residual/weights";
import { beforeAll, describe, expect, it } from "vitest";
import { temporaryFolder } from "../testing/folder.ts";
import { sharedPath, visionFile } from "../testing/golden.ts";
import { png } from "../testing/png.ts";
import { document, photo, residual, succeed } from "../testing/residual.ts";

interface Report {
  readonly images: number;
  readonly correct: number;
  readonly top1: number;
  readonly top5: number;
  readonly predictions: readonly number[];
  readonly notes?: readonly string[];
  readonly unreadable?: readonly { readonly image: string; readonly error: { readonly code: string } }[];
}

interface Row {
  readonly predictions: readonly { readonly index: number }[];
}

const folder = temporaryFolder();
const SIDE = 32;
const small = { resize: SIDE, crop: SIDE, interpolation: "bilinear" } as const;

/** Pictures of 32 x 32: photos shrunk, and noise, which a classifier has an opinion on too. */
async function pictures(): Promise<readonly Uint8Array[]> {
  const files = [
    ...["chelsea.png", "coffee.png", "rocket.jpg"].map(photo),
    ...["gradient-320x240.png", "jpeg444-360x270.jpg", "palette-257x263.png"].map((name) =>
      visionFile(`images/${name}`),
    ),
  ];
  const shrunk = await Promise.all(files.map(async (file) => crop(await decodeImage(file), small).data));
  const noise = [7, 11, 13].map((step) =>
    Uint8Array.from({ length: SIDE * SIDE * 3 }, (_, i) => (i * i * step + i * 31) % 251),
  );
  return [...shrunk, ...noise];
}

/** A record of CIFAR-10's binary format: the label, then the planes red, green, blue. */
const record = (label: number, rgb: Uint8Array): Uint8Array =>
  Uint8Array.from([label, ...[0, 1, 2].flatMap((c) => Array.from(rgb.filter((_, i) => i % 3 === c)))]);

/** Each label's picture is of another class or not: classify says which. */
const labels = [3, 1, 0, 8, 5, 9, 6, 2, 4];
let ranks: readonly (readonly number[])[];

beforeAll(async () => {
  const rgb = await pictures();
  const files = rgb.map((_, i) => folder.in(`${i}.png`));
  await Promise.all(files.map((file, i) => writeFile(file, png(SIDE, SIDE, rgb[i]!))));
  const rows = await document<readonly Row[]>(["classify", ...files]);
  ranks = rows.map(({ predictions }) => predictions.map(({ index }) => index));
  const records = rgb.map((pixels, i) => record(labels[i]!, pixels));
  await writeFile(folder.in("all.bin"), Buffer.concat(records));
  await mkdir(folder.in("batches"));
  await writeFile(folder.in("batches/b.bin"), Buffer.concat(records.slice(4)));
  await writeFile(folder.in("batches/a.bin"), Buffer.concat(records.slice(0, 4)));
  await writeFile(folder.in("batches/readme.html"), "<p>no records");
  await Promise.all(
    rgb.map(async (pixels, i) => {
      for (const [top, names] of Object.entries({ named: ["bird", "cat", "dog"], other: ["x", "y", "z"] })) {
        const name = join(folder.path, top, names[i % 3]!);
        await mkdir(name, { recursive: true });
        await writeFile(join(name, `${i}.png`), png(SIDE, SIDE, pixels));
        await writeFile(join(name, "notes.txt"), "no picture");
      }
    }),
  );
});

/** Counted here, from what classify said of the same pixels. */
function expected(order: readonly number[], label: (picture: number) => number): Report {
  const count = (k: number) => order.filter((i) => ranks[i]!.slice(0, k).includes(label(i))).length;
  const percent = (right: number) => Math.round((right / order.length) * 1e4) / 100;
  const predictions = order.map((i) => ranks[i]![0]!);
  return { images: order.length, correct: count(1), top1: percent(count(1)), top5: percent(count(5)), predictions };
}

const evaluate = (data: string, ...words: string[]): Promise<Report> =>
  document<Report>(["eval", "cifar_resnet20", "--data", folder.in(data), ...words]);

const inOrder = labels.map((_, i) => i);
/** By folder, then by name: 0 3 6 in the first, 1 4 7 in the second, 2 5 8 in the third. */
const byFolder = inOrder.toSorted((a, b) => (a % 3) - (b % 3) || a - b);

it("counts what classify sees in the same pixels, in a CIFAR-10 file", async () => {
  const report = await evaluate("all.bin");
  expect(Object.keys(report)).toEqual(["images", "correct", "top1", "top5", "predictions"]);
  expect(report).toEqual(expected(inOrder, (i) => labels[i]!));
  expect(report.correct, "some right, some wrong: else this test tells nothing").toBeGreaterThan(0);
  expect(report.correct).toBeLessThan(report.images);
});

it("takes a folder of such files in the order of their names", async () => {
  expect(await evaluate("batches")).toEqual(expected(inOrder, (i) => labels[i]!));
});

it("takes a folder of classes by their names", async () => {
  expect(await evaluate("named")).toEqual(expected(byFolder, (i) => [2, 3, 5][i % 3]!)); // bird, cat, dog
});

it("refuses folders that are none of the model's classes, rather than count them as some", async () => {
  const { stdout, stderr, code } = await residual(["eval", "cifar_resnet20", "--data", folder.in("other"), "--json"]);
  expect([stdout, code]).toEqual(["", 1]);
  expect(stderr).toMatch(/^FormatError: .*other: the folders x, y, z are none of the model's 10 classes \(airplane, /);
});

const kept = [2, 3, 5]; // bird, cat, dog

describe("classes of a user's own", () => {
  const known = fileURLToPath(new URL("../../../weights/known/resnet20-cifar10.safetensors", import.meta.url));
  /** The shipped weights with the last layer's rows of a few classes, whose names they do not say. */
  beforeAll(async () => {
    const { tensors, metadata } = await readWeights(known);
    const rows = (name: string, width: number) => {
      const { data } = tensors.get(name) as { readonly data: Float32Array };
      return kept.flatMap((row) => [...data.subarray(row * width, (row + 1) * width)]);
    };
    const weights = new Map(tensors)
      .set("fc.weight", tensor([3, 64], rows("fc.weight", 64)))
      .set("fc.bias", tensor([3], rows("fc.bias", 1)));
    const { classes: _, ...rest } = metadata;
    await writeSafetensors(folder.in("three.safetensors"), weights, rest);
  });

  const among = (picture: number): number[] => ranks[picture]!.filter((index) => kept.includes(index));

  it("are counted in order, and not by CIFAR-10's names", async () => {
    const { predictions, ...report } = await evaluate("named", "--weights", folder.in("three.safetensors"));
    const sure = byFolder
      .map((picture, at) => [at, picture] as const)
      .filter(([, picture]) => among(picture).length > 0);
    expect(sure.length, "pictures with one of the three among the five likeliest of ten").toBeGreaterThan(4);
    for (const [at, picture] of sure) expect(predictions[at]).toBe(kept.indexOf(among(picture)[0]!));
    const correct = byFolder.filter((picture, at) => predictions[at] === picture % 3).length;
    const notes = ["no class names: the folders are classes 0 (bird) to 2 (dog), in order"];
    expect(report).toMatchObject({ images: 9, correct, top5: 100, notes });
  });

  it("are too few for the data, which is an error", async () => {
    const words = [
      "eval",
      "cifar_resnet20",
      "--weights",
      folder.in("three.safetensors"),
      "--data",
      folder.in("all.bin"),
    ];
    const { stdout, stderr, code } = await residual([...words, "--json"]);
    expect([stdout, code]).toEqual(["", 1]);
    expect(stderr).toMatch(/^FormatError: .*all\.bin: picture 0 is of class 3, but cifar_resnet20 has 3 classes; give/);
  });
});

describe("folders", () => {
  const copy = async (to: string, names: readonly string[]) => {
    const from = ["bird", "cat", "dog"];
    for (const [i, name] of names.entries())
      await cp(join(folder.path, "named", from[i]!), join(folder.path, to, name), { recursive: true });
  };

  it.each([
    ["by the index of their class", ["2", "3", "5"]],
    ["by its name in another case", ["Bird", "CAT", "dog"]],
  ])("are called %s", async (to, names) => {
    await copy(to, names);
    expect(await evaluate(to)).toEqual(expected(byFolder, (i) => kept[i % 3]!));
  });

  it.each([".ipynb_checkpoints", "__MACOSX", "@eaDir", "lost+found"])("called %s hold no class", async (junk) => {
    const data = `beside ${junk}`;
    await copy(data, ["bird", "cat", "dog"]);
    await mkdir(folder.in(`${data}/${junk}/bird`), { recursive: true });
    await cp(folder.in(`${data}/bird/0.png`), folder.in(`${data}/${junk}/bird/0.png`));
    await mkdir(folder.in(`${data}/cat/${junk}`)); // thumbnails lie beside pictures too
    await cp(folder.in(`${data}/bird/0.png`), folder.in(`${data}/cat/${junk}/0.png`));
    for (const file of ["Thumbs.db", ".DS_Store"]) await writeFile(folder.in(`${data}/${file}`), "junk");
    expect(await evaluate(data)).toEqual({
      ...expected(byFolder, (i) => kept[i % 3]!),
      notes: [`skipped folders that are not class names: ${junk}`],
    });
  });

  it("may hold folders, links and damaged pictures: these are named, and the others counted", async () => {
    await copy("mixed", ["bird", "cat", "dog"]);
    await mkdir(folder.in("mixed/frog"));
    await mkdir(folder.in("mixed/bird/more/deep"), { recursive: true });
    await cp(folder.in("mixed/bird/0.png"), folder.in("mixed/bird/more/deep/0.png"));
    await mkdir(folder.in("mixed/cat/folder.png"));
    await symlink("nowhere.png", folder.in("mixed/cat/lost.png"));
    await writeFile(folder.in("mixed/dog/cut.png"), png(SIDE, SIDE, new Uint8Array(SIDE * SIDE * 3)).subarray(0, 60));
    const words = ["eval", "cifar_resnet20", "--data", folder.in("mixed"), "--json"];
    const { stdout, stderr, code } = await residual(words);
    const { notes, unreadable, ...report } = JSON.parse(stdout) as Report;
    const [first, second, third, ...rest] = byFolder;
    expect(report).toEqual(expected([first!, second!, third!, first!, ...rest], (i) => kept[i % 3]!));
    expect(code).toBe(1);
    expect(unreadable).toMatchObject([{ image: folder.in("mixed/dog/cut.png"), error: { code: "FormatError" } }]);
    expect(stderr).toMatch(/^FormatError: .*mixed\/dog\/cut\.png: found a damaged or cut image/m);
    expect(notes?.toSorted()).toEqual([
      `${folder.in("mixed/cat/folder.png")} is a folder, not a picture`,
      `${folder.in("mixed/cat/lost.png")} was passed over: a link to no file`,
      "no pictures in frog",
    ]);
    for (const note of notes!) expect(stderr).toContain(note);
  });
});

it("never counts an answer that is no number as a class", async () => {
  for (const data of ["all.bin", "named"]) {
    const words = ["eval", "cifar_resnet20", "--data", folder.in(data), "--scale", "1e-38"];
    const { stdout, stderr, code } = await residual(words);
    expect([stdout, code]).toEqual(["", 1]);
    expect(stderr).toMatch(
      /^WeightsError: cifar_resnet20 with resnet20-cifar10 answers (NaN|-?Infinity) for class \d, expected finite/,
    );
  }
});

it("says that CIFAR-10's classes are not the model's", async () => {
  const words = ["--weights", "fixture:v1", "--limit", "2"];
  const report = await document<Report>(["eval", "resnext14_32x4d", "--data", folder.in("all.bin"), ...words]);
  expect(report.notes).toEqual([expect.stringMatching(/CIFAR-10's, the model's have other names \(tench … toilet t/)]);
});

it("reads a few images of a file of any size", async () => {
  const huge = folder.in("huge.bin");
  await writeFile(huge, await readFile(folder.in("all.bin")));
  await truncate(huge, 1_000_000 * 3073); // 3 GB of holes: more than Node reads into one buffer
  expect(await evaluate("huge.bin", "--limit", "9")).toEqual(expected(inOrder, (i) => labels[i]!));
});

describe("--limit", () => {
  it.each([
    ["fewer than there are", "4", 4],
    ["more than there are", "400", 9],
  ])("%s", async (_, limit, images) => {
    expect(await evaluate("all.bin", "--limit", limit)).toEqual(expected(inOrder.slice(0, images), (i) => labels[i]!));
  });
});

it("gives the same on the reference", async () => {
  expect(await evaluate("all.bin", "--backend", "reference")).toEqual(expected(inOrder, (i) => labels[i]!));
});

it("opens the weights once, for images of any size", async () => {
  const counter = `
    import files from "node:fs/promises";
    import { syncBuiltinESMExports } from "node:module";
    const { open } = files;
    let opened = 0;
    files.open = (path, ...rest) => {
      if (String(path).endsWith(".safetensors")) opened++;
      return open(path, ...rest);
    };
    syncBuiltinESMExports();
    process.on("exit", () => process.stderr.write("opened " + opened + " times"));`;
  const env = { NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(counter)}` };
  const words = ["eval", "cifar_resnet20", "--crop", "24", "--data", folder.in("all.bin"), "--backend", "reference"];
  expect((await succeed(words, { env })).stderr).toMatch(/opened 1 times$/);
});

it("says it in a line for people", async () => {
  const { stdout, stderr } = await succeed(["eval", "cifar_resnet20", "--data", folder.in("all.bin")]);
  const { correct, top1, top5 } = expected(inOrder, (i) => labels[i]!);
  expect(stdout).toBe(`${correct} of 9 right: top-1 ${top1.toFixed(2)} %, top-5 ${top5.toFixed(2)} %\n`);
  expect(stderr).toMatch(/^cifar_resnet20 with resnet20-cifar10, on onnx \(onnxruntime-node [\d.]+\)\n$/);
});

const data = sharedPath("data/cifar10/test_first2000.bin");
const answers = sharedPath("weights/resnet20-cifar10.answers.safetensors");

it.skipIf(!data || !answers)("gets 1,791 of CIFAR-10's first 2,000 right, each class as PyTorch has it", async () => {
  const report = await document<Report>(["eval", "cifar_resnet20", "--weights", "resnet20-cifar10", "--data", data!]);
  expect([report.images, report.correct, report.top1]).toEqual([2000, 1791, 89.55]); // the card of the weights
  const logits = (await readTensors(await readWeights(answers!))).tensors.get("logits")!.data as Float64Array;
  const best = Array.from({ length: 2000 }, (_, i) => {
    const row = Array.from(logits.subarray(i * 10, (i + 1) * 10));
    return row.indexOf(Math.max(...row));
  });
  expect(report.predictions).toEqual(best);
});
