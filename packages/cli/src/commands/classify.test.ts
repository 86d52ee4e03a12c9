import { spawn } from "node:child_process";
import { once } from "node:events";
import { copyFile, mkdir, readFile, writeFile } from "node:fs/promises";
import { relative } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { encodeImage } from "@residual/vision";
import { imagenetLabels } from "@residual/vision/imagenet-labels";
import { readWeights, writeSafetensors } from "@residual/weights";
import { beforeAll, describe, expect, it } from "vitest";
import { temporaryFolder } from "../testing/folder.ts";
import { visionFile } from "../testing/golden.ts";
import { bin, document, ended, photo, residual, start, succeed, without } from "../testing/residual.ts";

interface Row {
  readonly image: string;
  readonly predictions: readonly { readonly label: string; readonly index: number; readonly probability: number }[];
}

const chelsea = photo("chelsea.png");
const folder = temporaryFolder();
const known = fileURLToPath(new URL("../../../weights/known/resnet20-cifar10.safetensors", import.meta.url));

const classify = async (...words: string[]): Promise<Row["predictions"]> => {
  const [row, ...others] = await document<readonly Row[]>(["classify", ...words]);
  expect(others).toEqual([]);
  return row!.predictions;
};

/** CIFAR-10's classes, in order. */
const classes = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"];

describe("with no options", () => {
  it("says what the card of the weights says: cat 98.2 %, dog 1.2 %", async () => {
    const { stdout, stderr } = await succeed(["classify", "photos/chelsea.png"]);
    const [name, first, second, ...rest] = stdout.trimEnd().split("\n");
    expect(name).toBe("photos/chelsea.png");
    expect(first).toMatch(/^ +98\.2 % .* cat$/);
    expect(second).toMatch(/^ +1\.2 % .* dog$/);
    expect(rest).toHaveLength(3);
    expect(new Set([first, second, ...rest].map((line) => line!.lastIndexOf("  "))).size, "one column").toBe(1);
    expect(stderr).toMatch(
      new RegExp(
        "^cifar_resnet20 with resnet20-cifar10, on (onnx|wasm) \\(\\S+ [\\d.]+, cpu\\)\\n" +
          "10 classes: airplane … truck\\n" +
          "auto took \\1: (native code on the CPU|measured: [\\d.]+ ms).*\\n$",
      ),
    );
  });

  it("gives the five likeliest as JSON", async () => {
    const [row] = await document<readonly Row[]>(["classify", "photos/chelsea.png"]);
    expect(Object.keys(row!)).toEqual(["image", "predictions"]);
    expect(row!.image).toBe("photos/chelsea.png");
    expect(row!.predictions).toHaveLength(5);
    expect(row!.predictions[0]).toEqual({ label: "cat", index: 3, probability: expect.closeTo(0.982, 3) as number });
    expect(row!.predictions[1]).toEqual({ label: "dog", index: 5, probability: expect.closeTo(0.012, 3) as number });
  });
});

it("without sharp PNG, JPEG and WebP have the same answers, and a TIFF has an error that names sharp", async () => {
  const env = without(/^sharp$/);
  const webp = await encodeImage({ width: 1, height: 1, data: new Uint8Array(4) }, "webp");
  await writeFile(folder.in("dot.webp"), webp);
  const words = ["classify", "photos/chelsea.png", "photos/rocket.jpg", folder.in("dot.webp")];
  expect(await document(words, { env })).toEqual(await document(words));
  await writeFile(folder.in("dot.tif"), "II*\0");
  const { stderr, code } = await residual(["classify", folder.in("dot.tif")], { env });
  expect(code).toBe(1);
  expect(stderr).toContain("BackendUnavailableError: ");
  expect(stderr).toContain("dot.tif: found TIFF, which sharp alone decodes; sharp is not installed; npm install sharp");
});

it("names classes by a file of --labels", async () => {
  await writeFile(folder.in("labels.txt"), classes.map((name) => `a ${name}\n`).join(""));
  const [first] = await classify("photos/chelsea.png", "--labels", folder.in("labels.txt"));
  expect(first).toMatchObject({ label: "a cat", index: 3 });
  await writeFile(folder.in("few.json"), '["cat", "dog"]');
  const { stderr, code } = await residual(["classify", chelsea, "--labels", folder.in("few.json")]);
  expect([stderr, code]).toEqual([
    "UsageError: --labels has 2 names, and the model 10 classes; give one for each\n",
    2,
  ]);
});

it("answers several images in the order they are given, one twice too", async () => {
  const images = [photo("rocket.jpg"), chelsea, photo("coffee.png"), chelsea];
  const rows = await document<readonly Row[]>(["classify", ...images]);
  expect(rows.map(({ image }) => image)).toEqual(images);
  expect(rows[3]!.predictions).toEqual(rows[1]!.predictions);
  expect(new Set(rows.map(({ predictions }) => predictions[0]!.probability)).size).toBe(3);
});

it("gives as many classes as asked for, all there are at most, likeliest first", async () => {
  expect(await classify(chelsea, "--top", "1")).toHaveLength(1);
  const all = await classify(chelsea, "--top", "1000");
  expect(all.map(({ index }) => index).toSorted((a, b) => a - b)).toEqual(classes.map((_, index) => index));
  expect(all.map(({ label }) => label)).toEqual(all.map(({ index }) => classes[index]));
  const probabilities = all.map(({ probability }) => probability);
  expect(probabilities).toEqual(probabilities.toSorted((a, b) => b - a));
  expect(probabilities.reduce((sum, each) => sum + each)).toBeCloseTo(1, 12);
});

describe("model and weights", () => {
  beforeAll(async () => {
    await copyFile(known, folder.in("copy.safetensors"));
    const { tensors } = await readWeights(known);
    await writeSafetensors(folder.in("silent.safetensors"), tensors);
    await writeSafetensors(folder.in("three.safetensors"), tensors, {
      model: "cifar_resnet20",
      classes: JSON.stringify(classes.map((name) => `a ${name}`)),
    });
  });

  it("are found by name, by file and by each other, and give the same", async () => {
    const expected = await classify(chelsea);
    const ways = [
      ["--model", "cifar_resnet20"],
      ["--weights", "resnet20-cifar10"],
      ["--weights", folder.in("copy.safetensors")],
      ["--weights", folder.in("silent.safetensors"), "--model", "cifar_resnet20"],
    ];
    for (const way of ways) expect(await classify(chelsea, ...way), way.join(" ")).toEqual(expected);
  });

  it("are called by the labels in the weights", async () => {
    expect((await classify(chelsea, "--weights", folder.in("three.safetensors")))[0]!.label).toBe("a cat");
  });

  it("of any kind can be tried with the fixture's values", async () => {
    const predictions = await classify(chelsea, "--model", "resnext14_32x4d", "--weights", "fixture:v1");
    expect(predictions).toHaveLength(5);
    expect(predictions[0]!.label).toBe(imagenetLabels[predictions[0]!.index]);
  });
});

describe("backends", () => {
  const dogs: number[] = [];

  it.each([
    ["onnx", /on onnx \(onnxruntime-node [\d.]+, cpu\)/],
    ["reference", /on reference \(@residual\/core [\d.]+, cpu\)/],
    ["auto", /on onnx \(onnxruntime-node [\d.]+, cpu\)/],
  ])("%s sees a cat, and stderr says which it was", async (backend, said) => {
    const { stdout, stderr } = await succeed(["classify", chelsea, "--backend", backend, "--json"]);
    const [{ predictions }] = JSON.parse(stdout) as [Row];
    expect(predictions[0]).toMatchObject({ label: "cat", probability: expect.closeTo(0.982, 3) as number });
    expect(stderr).toMatch(said);
    dogs.push(predictions[1]!.probability);
  });

  it("agree to float32's precision; auto is onnx, and the reference is another", () => {
    const [onnx, reference, auto] = dogs as [number, number, number];
    expect(auto).toBe(onnx);
    expect(Math.abs(onnx - reference)).toBeLessThan(1e-6);
    expect(onnx).not.toBe(reference);
  });

  it("take a number of threads", async () => {
    expect((await classify(chelsea, "--threads", "1"))[0]!.label).toBe("cat");
  });
});

describe("preprocessing", () => {
  const exif = visionFile("images/jpeg420-exif6-360x270.jpg");

  let unchanged: ReadonlyMap<number, number>;

  beforeAll(async () => {
    const predictions = await classify(exif, "--top", "10");
    unchanged = new Map(predictions.map(({ index, probability }) => [index, probability]));
  });

  it("is that of the weights where nothing is said", async () => {
    const spelt = [
      "--resize",
      "32",
      "--crop",
      "32",
      "--interpolation",
      "bilinear",
      "--scale",
      "255",
      "--mean",
      "0.4914,0.4822,0.4465",
      "--std",
      "0.247,0.2435,0.2616",
    ];
    const predictions = await classify(exif, "--top", "10", ...spelt);
    expect(new Map(predictions.map(({ index, probability }) => [index, probability]))).toEqual(unchanged);
  });

  it.each([
    ["--resize", "40"],
    ["--crop", "24"],
    ["--interpolation", "bicubic"],
    ["--mean", "0.5,0.4822,0.4465"],
    ["--std", "0.247,0.2435,0.3"],
    ["--scale", "128"],
    ["--upright"],
  ])("changes with %s %s", async (...words) => {
    const changed = await classify(exif, "--top", "10", ...words);
    expect(changed).toHaveLength(10);
    for (const { index, probability } of changed) expect(probability, `class ${index}`).not.toBe(unchanged.get(index));
  });
});

describe("pictures", () => {
  beforeAll(async () => {
    await mkdir(folder.in("many/deep"), { recursive: true });
    await copyFile(chelsea, folder.in("many/deep/cat.png"));
    await copyFile(photo("rocket.jpg"), folder.in("many/a rocket.jpg"));
    await writeFile(folder.in("many/notes.txt"), "no picture");
    await writeFile(folder.in("cut.png"), (await readFile(chelsea)).subarray(0, 100_000));
  });

  const imagesOf = async (...words: string[]) =>
    (await document<readonly Row[]>(["classify", ...words, "--top", "1"])).map(({ image, predictions }) => [
      relative(folder.path, image),
      predictions[0]!.label,
    ]);

  it("come from a folder, and from a pattern, which no shell has replaced", async () => {
    const both = [
      ["many/a rocket.jpg", "ship"],
      ["many/deep/cat.png", "cat"],
    ];
    expect(await imagesOf(folder.in("many"))).toEqual(both);
    expect(await imagesOf(folder.in("many/**/*.{png,jpg}"))).toEqual(both);
    expect(await imagesOf(pathToFileURL(folder.in("many/deep")).href)).toEqual([both[1]]);
  });

  it("come from stdin, as -", async () => {
    const line = `"${process.execPath}" "${bin}" classify - --json < "${chelsea}"`;
    const { stdout } = await ended(start("sh", ["-c", line]));
    expect(JSON.parse(stdout)).toEqual([{ image: "-", predictions: await classify(chelsea) }]);
  });

  it.each([["--json"], []])("are answered as they come %s", async (...words) => {
    const child = spawn(process.execPath, [bin, "classify", chelsea, "-", ...words], {
      stdio: ["pipe", "pipe", "ignore"],
    });
    const [first] = (await once(child.stdout, "data")) as [Buffer];
    expect(first.length, "before stdin ends").toBeGreaterThan(0);
    child.stdout.resume();
    child.stdin.end(await readFile(chelsea));
    expect(await once(child, "close")).toEqual([0, null]);
  });

  it("that are damaged or missing are named, and the others answered", async () => {
    const images = [folder.in("no.png"), chelsea, folder.in("cut.png"), photo("rocket.jpg"), folder.in("none")];
    const { stdout, stderr, code } = await residual(["classify", ...images, "--json", "--top", "1"]);
    const rows = JSON.parse(stdout) as readonly object[];
    const damaged = (image: string, found: string) => ({
      image,
      error: { code: "FormatError", message: expect.stringContaining(found) as string },
    });
    expect(rows).toEqual([
      damaged(images[0]!, "not found"),
      { image: chelsea, predictions: [expect.objectContaining({ label: "cat" })] },
      damaged(images[2]!, "damaged or cut"),
      { image: images[3], predictions: [expect.objectContaining({ label: "ship" })] },
      damaged(images[4]!, "not found"),
    ]);
    expect(code).toBe(1);
    expect(stderr.match(/^FormatError: .*$/gm)).toHaveLength(3);
    const plain = await residual(["classify", ...images, "--top", "1"]);
    expect(plain.stdout.match(/ % {2}/g)).toHaveLength(2);
    expect(plain.code).toBe(1);
  });

  it("that are all damaged leave stdout empty, and each is named", async () => {
    const words = ["classify", folder.in("cut.png"), folder.in("no.png"), "--json"];
    const { stdout, stderr, code } = await residual(words);
    expect([stdout, code]).toEqual(["", 1]);
    expect(stderr.match(/^FormatError: /gm)).toHaveLength(2);
  });
});

it("refuses logits that are no numbers in the same words with --json and without", async () => {
  const words = ["classify", chelsea, "--scale", "1e-38"];
  const [plain, json] = [await residual(words), await residual([...words, "--json"])];
  expect(plain).toEqual(json);
  expect([plain.stdout, plain.code]).toEqual(["", 1]);
  expect(plain.stderr).toMatch(
    /^WeightsError: cifar_resnet20 with resnet20-cifar10 answers (NaN|-?Infinity) for class \d, expected finite/,
  );
});

it("cuts a label of any length and shows what no terminal may be sent", async () => {
  const { tensors } = await readWeights(known);
  const labels = classes.map((name) => `${name}\x1b]0;owned\x07\u202e\nFormatError: forged ${"x".repeat(100_000)}`);
  const metadata = { model: "cifar_resnet20", classes: JSON.stringify(labels) };
  await writeSafetensors(folder.in("evil.safetensors"), tensors, metadata);
  const { stdout, stderr } = await succeed(["classify", chelsea, "--weights", folder.in("evil.safetensors")]);
  expect(stdout + stderr).not.toMatch(/[^\P{C}\n]/u);
  expect(stdout + stderr).not.toMatch(/^FormatError/m);
  for (const line of stdout.split("\n")) expect(line.length).toBeLessThan(160);
  const json = await succeed(["classify", chelsea, "--weights", folder.in("evil.safetensors"), "--json"]);
  expect(json.stdout).not.toMatch(/[^\P{C}\n]/u);
  expect((JSON.parse(json.stdout) as [Row])[0].predictions[0]!.label).toBe(labels[3]);
});

it("runs on wasm where no runtime is installed, and tells in 80 columns why, without a warning", async () => {
  const env = without(/^(onnxruntime-node|webgpu$|@tensorflow\/)/);
  const { stdout, stderr } = await succeed(["classify", photo("chelsea.png")], { env });
  expect(stdout).toMatch(/98\.2 % .* cat/);
  expect(stderr).not.toMatch(/^auto runs on /m);
  expect(stderr).toMatch(/^auto took wasm: WebAssembly on the CPU \(onnx: onnxruntime-node/m);
  for (const line of stderr.trimEnd().split("\n")) expect(line.length, line).toBeLessThanOrEqual(80);
});

it("passes over a native runtime that gives wrong answers, and shows one", async () => {
  const wrong = `
    import { createRequire } from "node:module";
    const { InferenceSession } = createRequire(${JSON.stringify(bin)})("onnxruntime-node");
    const { create } = InferenceSession;
    InferenceSession.create = async (...words) => {
      const session = await create.apply(InferenceSession, words);
      const run = session.run.bind(session);
      session.run = async (...feeds) => {
        const answers = await run(...feeds);
        for (const { data } of Object.values(answers)) data.forEach((value, i) => { data[i] = value * 1.001; });
        return answers;
      };
      return session;
    };`;
  const env = {
    NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(wrong)}`,
    XDG_CACHE_HOME: folder.in("no-check-is-kept"),
  };
  const { stdout, stderr } = await succeed(["classify", photo("chelsea.png")], { env });
  expect(stdout).toMatch(/98\.2 % .* cat/);
  expect(stderr.replaceAll("\n", " ")).toMatch(
    new RegExp(
      "^auto runs on wasm: onnx: it gives wrong answers \\(\\w+\\[\\d+\\] of a small network is \\S+, " +
        "expected \\S+ ± \\S+\\); install onnxruntime-node again, or another version of it ",
    ),
  );
  expect(stderr).toMatch(/^auto took wasm: /m);
});
