import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fixtureInput } from "@residual/core";
import { InferenceSession, Tensor as OnnxTensor } from "onnxruntime-node";
import { describe, expect, it } from "vitest";
import { temporaryFolder } from "./testing/folder.ts";
import { expectNear, golden } from "./testing/golden.ts";
import { residual, succeed } from "./testing/residual.ts";

const folder = temporaryFolder();
const model = "cifar_resnet20";
const triton = ["export", model, "--triton", "--weights"];

const cifar10 = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"];

interface Golden {
  readonly logits: { readonly values: readonly number[] };
  readonly fp32: { readonly logits: { readonly relToMax: number } };
}

/** The text without comments and repeated white space, which protobuf's text format ignores. */
async function config(repository: string): Promise<string> {
  const text = await readFile(join(repository, model, "config.pbtxt"), "utf8");
  return text.replace(/#.*$/gm, "").replace(/\s+/g, " ").trim();
}

describe("a Triton model repository", () => {
  it("has the files of Triton's documentation, with its batcher on", async () => {
    const to = folder.in("models");
    await succeed([...triton, "resnet20-cifar10", "--to", to]);
    expect((await readdir(to, { recursive: true })).toSorted()).toEqual(
      [model, ...["1", "1/model.onnx", "config.pbtxt", "labels.txt"].map((name) => `${model}/${name}`)].toSorted(),
    );
    expect(await config(to)).toBe(
      `name: "cifar_resnet20" backend: "onnxruntime" max_batch_size: 64 ` +
        `input [ { name: "image" data_type: TYPE_FP32 dims: [ 3, 32, 32 ] } ] ` +
        `output [ { name: "logits" data_type: TYPE_FP32 dims: [ 10 ] label_filename: "labels.txt" } ] ` +
        "dynamic_batching { }",
    );
    expect(await readFile(join(to, model, "labels.txt"), "utf8")).toBe(`${cifar10.join("\n")}\n`);
  });

  it("states a fixed batch as Triton asks: no batcher, and the batch in dims", async () => {
    const to = folder.in("fixed");
    await succeed([...triton, "fixture:v1", "--input", "2x3x40x40", "--to", to]);
    expect(await config(to)).toContain(
      'max_batch_size: 0 input [ { name: "image" data_type: TYPE_FP32 dims: [ 2, 3, 40, 40 ] } ]',
    );
    expect(await config(to)).toContain("dims: [ 2, 10 ]");
    expect(await config(to)).not.toContain("dynamic_batching");
  });

  it("runs in onnxruntime with the names and dims of config.pbtxt, and gives PyTorch's logits", async () => {
    const to = folder.in("run");
    await succeed([...triton, "fixture:v1", "--to", to]);
    const session = await InferenceSession.create(join(to, model, "1/model.onnx"), { logSeverityLevel: 3 });
    const shape = [4, 3, 32, 32]; // the batch before the dims of config.pbtxt
    const { logits } = await session.run({ image: new OnnxTensor("float32", fixtureInput("v1", shape).data, shape) });
    await session.release();
    expect(logits!.dims).toEqual([4, 10]);
    const recorded = golden<Golden>("infer/cifar_resnet20_4x3x32x32.json");
    const found = Array.from(logits!.data as Float32Array);
    expectNear(found, recorded.logits.values, 10 * recorded.fp32.logits.relToMax);
  });

  it("keeps its other models, and replaces its own", async () => {
    const to = folder.in("shared");
    await mkdir(join(to, "other"), { recursive: true });
    await succeed([...triton, "fixture:v1", "--to", to]);
    await succeed([...triton, "resnet20-cifar10", "--to", to]);
    expect((await readdir(to)).toSorted()).toEqual([model, "other"]);
    expect((await readdir(join(to, model))).toSorted()).toEqual(["1", "config.pbtxt", "labels.txt"]);
  });

  it.each([
    ["another file in the model's folder", [], 1, "taken", `taken/${model}/2/model.plan`, /holds 2, which/],
    ["a file in its place", [], 1, "file", "file", /found a file/],
    ["no folder around it", [], 1, "no/models", "unrelated", /make it first/],
    ["options of graph models", ["--quantize", "uint8"], 2, "x", "unrelated", /leave out/],
  ])("refuses %s, before work is done", async (_, words, code, to, file, message) => {
    await mkdir(dirname(folder.in(file)), { recursive: true });
    await writeFile(folder.in(file), "");
    const before = await readdir(folder.path, { recursive: true });
    const result = await residual([...triton, "fixture:v1", "--to", to, ...words], { cwd: folder.path });
    expect(result).toMatchObject({ stdout: "", code, stderr: expect.stringMatching(message) as string });
    expect(await readdir(folder.path, { recursive: true })).toEqual(before);
  });
});
