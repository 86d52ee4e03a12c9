import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  AbortError,
  bind,
  constant,
  FormatError,
  fixtureInput,
  fixtureWeights,
  type Graph,
  input,
  graph as makeGraph,
  ops,
  reference,
  resnet,
  type Tensor,
  tensor,
  variants,
  version,
} from "@residual/core";
import { loadGraphModel } from "@tensorflow/tfjs-converter";
import * as tf from "@tensorflow/tfjs-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { tfjs } from "./backend.ts";
import { toGraphModel } from "./export.ts";
import { fill, tiny } from "./testing/graphs.ts";
import { writeGraphModel } from "./write.ts";

await import("@tensorflow/tfjs-backend-wasm");
await tf.setBackend("wasm");

type Files = Awaited<ReturnType<typeof toGraphModel>>["files"];

/** As a server would give it out: nothing but its files, and the loader that tfjs has for URLs. */
function plainModel(files: Files): ReturnType<typeof loadGraphModel> {
  return loadGraphModel("https://somewhere/model.json", {
    fetchFunc: async (url) =>
      new Response(files[new Request(url).url.replace("https://somewhere/", "")] as Uint8Array<ArrayBuffer>),
  });
}

async function plainAnswer(files: Files, image: Tensor<"float32">): Promise<Float32Array> {
  const model = await plainModel(files);
  const x = tf.tensor(image.data, [...image.shape]);
  const y = model.predict({ image: x }) as tf.Tensor;
  const data = await y.data<"float32">();
  tf.dispose([x, y]);
  model.dispose();
  return Float32Array.from(data);
}

async function ownAnswer(graph: Graph<"image", "logits">, image: Tensor<"float32">): Promise<Float32Array> {
  await using executable = await tfjs({ engine: "wasm" }).compile(graph);
  return (await executable.run({ image })).logits.data;
}

function modelOf(
  name: "cifar_resnet20" | "resnext50_32x4d" | "seresnext50_32x4d",
  side: number,
): Graph<"image", "logits"> {
  const open = resnet(variants[name], { input: ["N", 3, side, side] });
  return bind(open, fixtureWeights(open, "v1"));
}

describe("a graph model", () => {
  it.each([
    ["cifar_resnet20", 32, 3],
    ["resnext50_32x4d", 64, 1],
    ["seresnext50_32x4d", 64, 1],
  ] as const)("of %s gives our own executable's bits in plain tfjs", async (name, side, batch) => {
    const graph = modelOf(name, side);
    const image = fixtureInput("v1", [batch, 3, side, side]);
    const { files, report } = await toGraphModel(graph);
    expect(await plainAnswer(files, image)).toEqual(await ownAnswer(graph, image));
    const shards = Object.entries(files).filter(([file]) => file.endsWith(".bin"));
    expect(shards.length).toBe(report.shards);
    for (const [, { length }] of shards) expect(length).toBeLessThanOrEqual(4 << 20);
    expect(Object.values(files).reduce((sum, { length }) => sum + length, 0)).toBe(report.bytes);
  });

  it.each(["webgpu", "webgl"] as const)("for %s gives the same in wasm, but for what is rounded", async (engine) => {
    const graph = modelOf("resnext50_32x4d", 32);
    const image = fixtureInput("v1", [1, 3, 32, 32]);
    const found = await plainAnswer((await toGraphModel(graph, { engine })).files, image);
    const expected = await ownAnswer(graph, image);
    const largest = Math.max(...expected.map(Math.abs));
    // ten times torch's own float32
    for (const [i, value] of found.entries()) expect(Math.abs(value - expected[i]!)).toBeLessThan(3e-6 * largest);
  });

  it("holds every op that there is", async () => {
    const x = input("x", ["N", 4, 7, 7]);
    const gate = ops.sigmoid({ x: ops.globalAveragePool({ x }) });
    const [scale, shift, mean] = ["scale", "shift", "mean"].map((name, i) => constant(name, fill([4], i)));
    const norm = ops.batchNorm({ x, scale, shift, mean, variance: constant("variance", tensor([4], [1, 2, 3, 4])) });
    const pooled = ops.averagePool2d({ x: ops.relu({ x: norm }) }, { window: 3, stride: 2, ceil: true });
    const outputs = {
      gated: ops.multiply({ x, gate }),
      pooled,
      even: ops.averagePool2d({ x }, { window: 2, ceil: true }),
      odd: ops.averagePool2d({ x }, { window: [4, 3], stride: 3, ceil: true }),
      padded: ops.padChannels({ x: ops.subsample({ x }, { stride: 2 }) }, { before: 1, after: 2 }),
      largest: ops.maxPool2d({ x }, { window: 3, stride: 2, padding: 1 }),
      probabilities: ops.softmax({ x: ops.flatten({ x: ops.globalAveragePool({ x }) }) }),
      logarithms: ops.logSoftmax({ x: ops.flatten({ x }) }),
      dilated: ops.conv2d({ x, weight: constant("w", fill([2, 4, 2, 2], 5)) }, { stride: 2, dilation: 2 }),
      odder: ops.conv2d(
        { x, weight: constant("v", fill([2, 4, 3, 3], 6)), bias: constant("b", fill([2], 7)) },
        { padding: [0, 1, 2, 0] },
      ),
      same: x,
    };
    const all = makeGraph({ name: "all", inputs: { x }, outputs });
    const given = fill([2, 4, 7, 7], 3);
    await using executable = await tfjs({ engine: "wasm" }).compile(all);
    const expected = await executable.run({ x: given });
    await using exact = await reference.compile(all);
    const right = await exact.run({ x: given });
    const model = await plainModel((await toGraphModel(all)).files);
    const image = tf.tensor(given.data, [...given.shape]);
    const names = Object.keys(outputs) as (keyof typeof outputs)[];
    const found = model.predict({ x: image }) as tf.NamedTensorMap;
    for (const name of names) {
      expect(Float32Array.from(await found[name]!.data<"float32">()), name).toEqual(expected[name].data);
      for (const [j, value] of right[name].data.entries())
        expect(Math.abs(expected[name].data[j]! - value), name).toBeLessThan(1e-5);
    }
  });
});

describe("quantized", () => {
  it.each([
    ["float16", 0.5, 1e-3],
    ["uint8", 0.25, 0.1],
  ] as const)("to %s it takes as much of the bytes, and answers about the same", async (quantization, share, near) => {
    const graph = modelOf("cifar_resnet20", 32);
    const image = fixtureInput("v1", [2, 3, 32, 32]);
    const whole = await toGraphModel(graph);
    const small = await toGraphModel(graph, { quantization });
    const weights = (files: Files) => files["group1-shard1of1.bin"]!.length;
    expect(weights(small.files) / weights(whole.files)).toBeLessThan(share + 0.02);
    expect(small.report.quantization).toMatchObject({ dtype: quantization });
    const { relative, worst } = small.report.quantization!;
    expect(relative).toBeGreaterThan(0);
    expect(worst.error).toBeLessThanOrEqual(worst.largest / (quantization === "uint8" ? 120 : 2048));
    const [found, expected] = [await plainAnswer(small.files, image), await plainAnswer(whole.files, image)];
    const largest = Math.max(...expected.map(Math.abs));
    for (const [i, value] of found.entries()) expect(Math.abs(value - expected[i]!)).toBeLessThan(near * largest);
    expect(found).not.toEqual(expected);
  });
});

describe("writeGraphModel", () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "residual-test-"));
  });
  afterAll(() => rm(folder, { recursive: true }));

  it("writes the files that a model in memory has, and replaces those of another", async () => {
    const path = join(folder, "model");
    await writeGraphModel(tiny(), path);
    const graph = modelOf("cifar_resnet20", 32);
    const report = await writeGraphModel(graph, path, { metadata: { labels: "a b" } });
    const { files, report: expected } = await toGraphModel(graph, { metadata: { labels: "a b" } });
    expect(report).toEqual(expected);
    expect((await readdir(path)).toSorted()).toEqual(Object.keys(files).toSorted());
    for (const [name, bytes] of Object.entries(files))
      expect(Buffer.compare(await readFile(join(path, name)), bytes)).toBe(0);
    expect(JSON.parse(await readFile(join(path, "model.json"), "utf8"))).toMatchObject({
      format: "graph-model",
      userDefinedMetadata: { labels: "a b" },
      signature: {
        inputs: { image: { name: "image:0", dtype: "DT_FLOAT" } },
        outputs: { logits: { dtype: "DT_FLOAT" } },
      },
    });
  });

  it("leaves the old one and nothing else when it is aborted", async () => {
    const path = join(folder, "aborted");
    await writeGraphModel(tiny(), path);
    const before = await readFile(join(path, "model.json"));
    const controller = new AbortController();
    const write = writeGraphModel(modelOf("cifar_resnet20", 32), path, {
      signal: controller.signal,
      onProgress: ({ done }) => {
        if (done === 5) controller.abort();
      },
    });
    await expect(write).rejects.toThrow(AbortError);
    expect((await readdir(folder)).filter((name) => name.startsWith("aborted"))).toEqual(["aborted"]);
    expect(await readFile(join(path, "model.json"))).toEqual(before);
  });

  it("replaces nothing that is no graph model", async () => {
    const path = join(folder, "mine");
    await mkdir(path);
    await writeFile(join(path, "letter.txt"), "dear");
    await expect(writeGraphModel(tiny(), path)).rejects.toThrow(/the folder holds letter\.txt, which is not part/);
    await expect(writeGraphModel(tiny(), join(path, "letter.txt"))).rejects.toThrow("found a file");
    await expect(writeGraphModel(tiny(), join(folder, "no", "where"))).rejects.toThrow(FormatError);
  });

  it("knows its version", async () => {
    const manifest: unknown = JSON.parse(await readFile(new URL("../package.json", import.meta.url), "utf8"));
    expect(manifest).toMatchObject({ version });
  });

  it("does not take the current folder away", async () => {
    const before = process.cwd();
    const empty = join(folder, "current");
    await mkdir(empty);
    process.chdir(empty);
    try {
      for (const current of ["", ".", process.cwd()])
        await expect(writeGraphModel(tiny(), current)).rejects.toThrow("the current folder");
      await expect(stat(process.cwd())).resolves.toBeDefined();
    } finally {
      process.chdir(before);
    }
  });
});
