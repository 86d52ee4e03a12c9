import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { fixtureInput, resnet, type Tensor, tensorOf, variants } from "@residual/core";
import { pyTorchModule, readTensors, readWeights, writeSafetensors } from "@residual/weights";
import { loadGraphModel } from "@tensorflow/tfjs-converter";
import * as tf from "@tensorflow/tfjs-core";
import { InferenceSession, Tensor as OnnxTensor } from "onnxruntime-node";
import { beforeAll, describe, expect, it } from "vitest";
import { temporaryFolder } from "../testing/folder.ts";
import { expectNear, golden } from "../testing/golden.ts";
import { document, photo, residual, succeed } from "../testing/residual.ts";

const folder = temporaryFolder();

interface Golden {
  readonly logits: { readonly values: readonly number[] };
  readonly fp32: { readonly logits: { readonly relToMax: number } };
}

const recorded = golden<Golden>("infer/cifar_resnet20_4x3x32x32.json");
const shape = [4, 3, 32, 32];

/** What other people's library makes of our file. */
async function logitsOf(path: string): Promise<readonly number[]> {
  const session = await InferenceSession.create(path, { logSeverityLevel: 3 });
  const { data } = fixtureInput("v1", shape);
  const { logits } = await session.run({ image: new OnnxTensor("float32", data, shape) });
  await session.release();
  return Array.from(logits!.data as Float32Array);
}

async function runOf(weights: string): Promise<Tensor> {
  const out = folder.in(`${crypto.randomUUID()}.safetensors`);
  const words = ["run", "cifar_resnet20", "--weights", weights, "--input", "fixture:v1", "--shape", shape.join("x")];
  await succeed([...words, "--out", out]);
  return (await readTensors(await readWeights(out))).tensors.get("logits")!;
}

describe(".onnx", () => {
  it.each([
    ["one.onnx", [], ["one.onnx"]],
    ["two.onnx", ["--external"], ["two.onnx", expect.stringMatching(/^two\.onnx\.[0-9a-f]{16}\.bin$/) as string]],
  ])("%s %s gives PyTorch's logits in onnxruntime, and those of run", async (name, words, files) => {
    const to = folder.in(name);
    const report = await document(["export", "cifar_resnet20", "--weights", "fixture:v1", "--to", to, ...words]);
    expect(report).toEqual({ model: "cifar_resnet20", weights: "fixture:v1", to });
    expect((await readdir(folder.path)).filter((file) => file.startsWith(name)).toSorted()).toEqual(files);
    const found = await logitsOf(to);
    expectNear(found, recorded.logits.values, 10 * recorded.fp32.logits.relToMax);
    // one runtime, batch norms folded or not
    expectNear(found, Array.from((await runOf("fixture:v1")).data as Float32Array), 1e-6);
  });

  it("has an open batch, and the shape that is asked for where one is", async () => {
    const words = ["export", "cifar_resnet20", "--weights", "fixture:v1", "--to"];
    await succeed([...words, folder.in("open.onnx")]);
    await succeed([...words, folder.in("fixed.onnx"), "--input", "2x3x40x40"]);
    const shapes = ["open.onnx", "fixed.onnx"].map(async (name) => {
      const { inputMetadata } = await InferenceSession.create(folder.in(name), { logSeverityLevel: 3 });
      return (inputMetadata[0] as { shape: readonly unknown[] }).shape;
    });
    expect(await Promise.all(shapes)).toEqual([
      ["N", 3, 32, 32],
      [2, 3, 40, 40],
    ]);
  });
});

describe("read again", () => {
  it.each([
    ["told.onnx", []],
    ["apart.onnx", ["--external"]],
    ["told/", []],
    ["gl/", ["--engine", "webgl"]],
  ])("%s needs no --model to classify with, and answers the same", async (name, words) => {
    const to = folder.in(name);
    await succeed(["export", "cifar_resnet20", "--weights", "resnet20-cifar10", "--to", to, ...words]);
    const classify = ["classify", photo("chelsea.png")];
    expect(await document([...classify, "--weights", to])).toEqual(await document(classify));
    const { model, labels } = await readWeights(to);
    expect([model, labels?.length]).toEqual(["cifar_resnet20", 10]);
  });

  it.each(["grouped/", "grouped-gl/"])("%s has the bits of grouped convolutions", async (name) => {
    const words = name.includes("gl") ? ["--engine", "webgl"] : [];
    await succeed(["export", "resnext14_32x4d", "--weights", "fixture:v1", "--to", folder.in(name), ...words]);
    const out = ["logits.safetensors", "expected.safetensors"].map((file) => folder.in(`${name.slice(0, -1)}-${file}`));
    for (const [i, weights] of [folder.in(name), "fixture:v1"].entries())
      await succeed(["run", "resnext14_32x4d", "--weights", weights, "--input", "fixture:v1", "--out", out[i]!]);
    const [found, expected] = await Promise.all(
      out.map(async (file) => (await readTensors(await readWeights(file))).tensors),
    );
    expect(found!.get("logits")!.data).toEqual(expected!.get("logits")!.data);
  });
});

describe(".safetensors", () => {
  it("comes back the same, bit for bit", async () => {
    const to = folder.in("round.safetensors");
    await succeed(["export", "cifar_resnet20", "--weights", "fixture:v1", "--to", to]);
    expect((await runOf(to)).data).toEqual((await runOf("fixture:v1")).data);
  });

  it("needs no --model to classify with: it says what it is for", async () => {
    const to = folder.in("told.safetensors");
    await succeed(["export", "cifar_resnet20", "--weights", "resnet20-cifar10", "--to", to]);
    const words = ["classify", photo("chelsea.png")];
    expect(await document([...words, "--weights", to])).toEqual(await document(words));
    const { metadata } = await readWeights(to);
    expect(metadata).toMatchObject({ format: "pt", model: "cifar_resnet20" });
    expect(JSON.parse(metadata.preprocessing!)).toMatchObject({ resize: 32, crop: 32, scale: 255 });
  });

  it("of a model that reads no pictures comes back too", async () => {
    const to = folder.in("block.safetensors");
    await succeed(["export", "pytorch_unit", "--weights", "fixture:v1", "--to", to]);
    expect((await readTensors(await readWeights(to))).tensors.get("block.conv1.weight")!.shape).toEqual([8, 8, 3, 3]);
    await succeed(["export", "pytorch_unit", "--weights", to, "--to", folder.in("again.safetensors")]);
    expect(await readFile(folder.in("again.safetensors"))).toEqual(await readFile(to));
  });

  it("says for people what it wrote", async () => {
    const words = ["export", "cifar_resnet20", "--weights", "resnet20-cifar10", "--to", "said.safetensors"];
    const { stdout, stderr } = await succeed(words, { cwd: folder.path });
    expect([stdout, stderr]).toEqual(["said.safetensors: cifar_resnet20 with resnet20-cifar10\n", ""]);
  });
});

/** A graph model loaded by plain tfjs, from the files as they lie in its folder. */
async function tfjsLogitsOf(path: string): Promise<readonly number[]> {
  await import("@tensorflow/tfjs-backend-wasm");
  await tf.setBackend("wasm");
  const { weightsManifest, ...json } = JSON.parse(await readFile(join(path, "model.json"), "utf8")) as tf.io.ModelJSON;
  const [group] = weightsManifest;
  const shards = await Promise.all(group!.paths.map((name) => readFile(join(path, name))));
  const weightData = Uint8Array.from(Buffer.concat(shards)).buffer;
  const model = await loadGraphModel(tf.io.fromMemory({ ...json, weightSpecs: group!.weights, weightData }));
  const image = tf.tensor(fixtureInput("v1", shape).data, shape);
  const logits = await (model.predict({ image }) as tf.Tensor).data();
  model.dispose();
  return Array.from(logits);
}

describe("a folder", () => {
  it("is a graph model that gives PyTorch's logits in plain tfjs", async () => {
    const to = folder.in("model");
    const report = await document(["export", "cifar_resnet20", "--weights", "fixture:v1", "--to", to]);
    expect(report).toEqual({
      model: "cifar_resnet20",
      weights: "fixture:v1",
      to,
      bytes: expect.any(Number) as number,
      shards: 1,
    });
    expect((await readdir(to)).toSorted()).toEqual(["group1-shard1of1.bin", "model.json"]);
    expectNear(await tfjsLogitsOf(to), recorded.logits.values, 10 * recorded.fp32.logits.relToMax);
    await succeed(["export", "cifar_resnet20", "--weights", "fixture:v1", "--to", to]); // in the place of the first
  });

  it("holds a quarter of the bytes in uint8, and says how far that moves the weights", async () => {
    const words = ["export", "cifar_resnet20", "--weights", "resnet20-cifar10", "--quantize", "uint8", "--to", "small"];
    const { stdout } = await succeed(words, { cwd: folder.path });
    expect(stdout).toMatch(
      /^small: cifar_resnet20 .*\na TensorFlow\.js graph model of 0\.3 MiB, .* in uint8\nwhose numbers change/,
    );
    const metadata = JSON.parse(await readFile(join(folder.in("small"), "model.json"), "utf8")) as {
      userDefinedMetadata: { classes: string };
    };
    expect(JSON.parse(metadata.userDefinedMetadata.classes)).toHaveLength(10);
  });
});

describe(".py", () => {
  it("is a PyTorch module, with the reference's logits recorded in the weights beside it", async () => {
    const to = folder.in("net.py");
    const report = await document(["export", "cifar_resnet20", "--weights", "resnet20-cifar10", "--to", to]);
    expect(report).toEqual({ model: "cifar_resnet20", weights: "resnet20-cifar10", to });
    const spec = variants.cifar_resnet20;
    const graph = resnet(spec, { name: "cifar_resnet20" });
    expect(await readFile(to, "utf8")).toBe(pyTorchModule(graph, { preprocessing: spec.preprocessing }));
    const { metadata } = await readWeights(folder.in("net.safetensors"));
    expect(metadata).toMatchObject({ format: "pt", model: "cifar_resnet20" });
    expect(JSON.parse(metadata.classes!)).toHaveLength(10);
    const answer = JSON.parse(metadata.recorded!) as { readonly values: readonly number[] };
    expect(answer).toMatchObject({ input: "fixture:v1", shape: [1, 3, 32, 32], output: "logits" });
    const out = folder.in("answer.safetensors");
    const words = ["--weights", folder.in("net.safetensors"), "--input", "fixture:v1", "--shape", "1x3x32x32"];
    await succeed(["run", "cifar_resnet20", ...words, "--backend", "reference", "--out", out]);
    const { data } = (await readTensors(await readWeights(out))).tensors.get("logits")!;
    expect(answer.values.map(Math.fround)).toEqual(Array.from(data as Float64Array, Math.fround));
    expect(await document(["classify", photo("chelsea.png"), "--weights", folder.in("net.safetensors")])).toEqual(
      await document(["classify", photo("chelsea.png")]),
    );
  });

  it("of a network that gives features compares those, and takes no pictures", async () => {
    const to = folder.in("unit.py");
    await succeed(["export", "paddle_unit_s2", "--weights", "fixture:v1", "--to", to]);
    expect(await readFile(to, "utf8")).not.toContain("def classify(");
    const { metadata } = await readWeights(folder.in("unit.safetensors"));
    const { shape, output, values } = JSON.parse(metadata.recorded!) as { [name: string]: readonly number[] };
    expect([shape, output, values!.length]).toEqual([[1, 8, 8, 8], "output", 8 * 4 * 4]);
    const { output: recorded } = golden<{ readonly output: { readonly values: readonly number[] } }>(
      "infer/seed000_block_s2_2x8x8x8.json",
    );
    expect(recorded.values).toHaveLength(2 * values!.length);
    expectNear(values!, recorded.values.slice(0, values!.length), 1e-12);
  });
});

describe("leaves nothing behind", () => {
  beforeAll(async () => {
    const one = tensorOf("float32", [1], Float32Array.of(1));
    await writeSafetensors(folder.in("misfit.safetensors"), { one }, { model: "cifar_resnet20" });
  });

  it.each([
    ["weights that do not fit, .onnx", ["--weights", "misfit.safetensors", "--to", "x.onnx"], 1, /^WeightsError: /],
    ["weights that do not fit", ["--weights", "misfit.safetensors", "--to", "x.safetensors"], 1, /^WeightsError: /],
    ["no such folder, .onnx", ["--weights", "fixture:v1", "--to", "no/x.onnx"], 1, /^FormatError: no\/x.onnx: /],
    ["no such folder", ["--weights", "fixture:v1", "--to", "no/x.safetensors"], 1, /^FormatError: no\/x.saf.*: /],
    [
      "another folder is in the way",
      ["--weights", "fixture:v1", "--to", "."],
      1,
      /^FormatError: \.: the folder holds /,
    ],
    ["a file is in the way", ["--weights", "fixture:v1", "--to", "misfit.safetensors/"], 1, /^FormatError: .*a file/],
    ["no folder around the folder", ["--weights", "fixture:v1", "--to", "no/x"], 1, /^FormatError: no\/x: .* make it/],
    ["weights that do not fit, a folder", ["--weights", "misfit.safetensors", "--to", "x"], 1, /^WeightsError: /],
    ["no such dtype", ["--weights", "fixture:v1", "--to", "x", "--quantize", "int4"], 2, /^UsageError: .*mean uint8/],
    ["--quantize of a file", ["--weights", "fixture:v1", "--to", "x.onnx", "--quantize", "uint8"], 2, /^UsageError: /],
    ["weights that do not fit, .py", ["--weights", "misfit.safetensors", "--to", "x.py"], 1, /^WeightsError: /],
    [
      "weights that would be overwritten by others",
      ["--weights", "misfit.safetensors", "--to", "misfit.py"],
      2,
      /^UsageError: misfit\.safetensors is the file to be read, .* another path/,
    ],
    ["another ending", ["--weights", "fixture:v1", "--to", "x.txt"], 2, /^UsageError: --to x\.txt ends in \.txt; exp/],
    [
      "weights beside .safetensors",
      ["--weights", "fixture:v1", "--to", "x.safetensors", "--external"],
      2,
      /--external/,
    ],
    [
      "a file system that will not",
      ["--weights", "fixture:v1", "--to", "/proc/x.onnx"],
      1,
      /^FormatError: .*\/proc\/x\.onnx/,
    ],
  ])("%s", async (_, words, code, message) => {
    const before = await readdir(folder.path);
    const result = await residual(["export", "cifar_resnet20", ...words], { cwd: folder.path });
    expect(result).toMatchObject({ stdout: "", code, stderr: expect.stringMatching(message) as string });
    expect(await readdir(folder.path)).toEqual(before);
  });
});
