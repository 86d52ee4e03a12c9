import { cp, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import {
  bind,
  constantsOf,
  FormatError,
  type Graph,
  isTensor,
  optimize,
  ResidualError,
  type ResNetSpec,
  readTensor,
  resnet,
  UnsupportedError,
  WeightsError,
} from "@residual/core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { readWeights } from "../read-weights.ts";

const fixture = (name: string) => fileURLToPath(new URL(`fixtures/${name}`, import.meta.url));
const answers = (await readWeights(fixture("answers.safetensors"))).tensors;

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "residual-tfjs-"));
});
afterAll(() => rm(folder, { recursive: true }));

const basic: ResNetSpec = { block: "basic", depths: [1, 1], width: 4, classes: 5 };
const graphOf = (spec: ResNetSpec): Graph<"image"> => resnet(spec, { input: [1, 3, 16, 16] });

describe("what TensorFlow.js' converter wrote (fixtures/make.py)", () => {
  it.each(["layers", "layers-uint8", "layers-uint16", "layers-float16"])(
    "%s has the numbers that the converter's own reader restores, under Keras' names",
    async (name) => {
      for (const path of [fixture(name), fixture(`${name}/model.json`)]) {
        const { tensors, graph, metadata } = await readWeights(path);
        expect(graph?.mismatch).toMatch(/^found 1 convolutions/);
        expect(JSON.parse(metadata["keras.config"]!)).toMatchObject({ config: { name: "tiny" } });
        expect([...tensors.keys()]).toContain("conv1_bn/moving_variance");
        expect(tensors.size).toBe(8);
        for (const [key, tensor] of tensors)
          expect([key, await readTensor(tensor)]).toEqual([key, await readTensor(answers.get(`${name}/${key}`)!)]);
      }
    },
  );

  // The converter folds norms in float32: a sum, a root, two products and a difference, hence at most six roundings of
  // 2⁻²⁴. float16 has 11 significant bits.
  it.each([
    ["graph", 6 * 2 ** -24],
    ["graph-float16", 2 ** -11 + 6 * 2 ** -24],
  ])("%s has the parameters of the network, found by its graph", async (name, precision) => {
    const graph = graphOf(basic);
    const weights = await readWeights(fixture(name), { graph });
    const folded = new Map(
      constantsOf(optimize(bind(graph, weights))).map((constant) => [constant.name.replace(".folded", ""), constant]),
    );
    const expected = [...answers].filter(([key]) => key.startsWith("graph/"));
    expect(folded.size).toBe(expected.length);
    for (const [key, source] of expected) {
      const [found, wanted] = [folded.get(key.slice("graph/".length))!.source, await readTensor(source)];
      expect(found.shape).toEqual(wanted.shape);
      const { data } = await readTensor(found);
      // a bias is the difference of numbers up to 2
      const scale = (i: number) => (key.endsWith("bias") ? 2 : Math.abs(Number(wanted.data[i])));
      for (let i = 0; i < data.length; i++)
        expect(Math.abs(Number(data[i]) - Number(wanted.data[i]))).toBeLessThanOrEqual(precision * scale(i) + 2 ** -24);
    }
  });

  it("a graph model of another network is refused, with the first difference", async () => {
    const reading = readWeights(fixture("graph"), { graph: graphOf({ ...basic, block: "bottleneck" }) });
    await expect(reading).rejects.toThrow(UnsupportedError);
    await expect(reading).rejects.toThrow(/with weights of 4×4×3×3, expected 4×4×1×1 for layer1\.0\.conv1$/);
  });
});

describe("files that are damaged, or lie", () => {
  interface Json {
    weightsManifest: { paths: string[]; weights: Record<string, unknown>[] }[];
    modelTopology: unknown;
  }
  type Change = (model: Json) => void;
  const edit = async (change: Change, text = (json: string) => json, shard?: Uint8Array) => {
    const copy = join(folder, "copy");
    await rm(copy, { recursive: true, force: true });
    await cp(fixture("layers"), copy, { recursive: true });
    const model = JSON.parse(await readFile(join(copy, "model.json"), "utf8")) as Json;
    change(model);
    await writeFile(join(copy, "model.json"), text(JSON.stringify(model)));
    if (shard) await writeFile(join(copy, "group1-shard2of3.bin"), shard);
    return readWeights(copy);
  };
  const manifest = (value: unknown): Change => {
    return (model) => Object.assign(model, { weightsManifest: value });
  };
  const paths = (...values: readonly unknown[]): Change => {
    return ({ weightsManifest: [group] }) => Object.assign(group!, { paths: values });
  };
  const second = (path: string): Change => paths("group1-shard1of3.bin", path, "group1-shard3of3.bin");
  const weight = (change: object): Change => {
    return ({ weightsManifest: [group] }) => Object.assign(group!.weights[0]!, change);
  };
  const quantized = (quantization: unknown): Change => weight({ quantization });

  it.each<[string, Change, typeof FormatError | typeof UnsupportedError | typeof WeightsError, RegExp]>([
    ["a shard that is missing", second("gone.bin"), WeightsError, /gone\.bin: there is no such file/],
    [
      "a shard in another folder",
      second("../../etc/passwd"),
      FormatError,
      /names the file "\.\.\/\.\.\/etc\/passwd", expected one/,
    ],
    ["a shard with a path from the root", second("/etc/passwd"), FormatError, /expected one that lies beside it/],
    ["one shard twice", second("group1-shard1of3.bin"), FormatError, /names 3 files, 2 of them once/],
    ["thousands of shards", paths(...Array.from({ length: 5000 }, (_, i) => `${i}`)), FormatError, /names 5000 files/],
    [
      "a weight less",
      ({ weightsManifest: [group] }) => group!.weights.pop(),
      FormatError,
      /the files of its weights have 880 bytes, expected 8\d\d; one is cut off/,
    ],
    ["two weights of one name", weight({ name: "conv1_bn/beta" }), FormatError, /two weights named "conv1_bn\/beta"/],
    [
      "a shape beyond memory",
      weight({ shape: [2 ** 40, 2 ** 40] }),
      FormatError,
      /has the shape "\[1099511627776,1099511627776\]"/,
    ],
    ["a shape beyond the files", weight({ shape: [2 ** 50] }), FormatError, /have 880 bytes, expected/],
    ["a negative size", weight({ shape: [-6] }), FormatError, /has the shape "\[-6\]"/],
    [
      "texts for weights",
      weight({ dtype: "string" }),
      UnsupportedError,
      /is "\\"string\\"", expected float32, int32, bool/,
    ],
    ["a dtype of Object", weight({ dtype: "constructor" }), UnsupportedError, /expected float32/],
    [
      "a scale that is NaN",
      quantized({ dtype: "uint8", scale: Number.NaN, min: 0 }),
      FormatError,
      /has the scale "null" and the least "0"/,
    ],
    [
      "a quantization of its own",
      quantized({ dtype: "int4", scale: 1, min: 0 }),
      UnsupportedError,
      /is quantized to "\\"int4\\"", expected uint8/,
    ],
    ["a quantization that is none", quantized(7), FormatError, /has the quantization "7"/],
    ["no manifest", manifest(undefined), FormatError, /found no weightsManifest/],
    ["a manifest of numbers", manifest([1]), FormatError, /a group of weights without paths/],
    ["paths of numbers", paths(1), FormatError, /found no path as text/],
  ])("%s", async (_, change, kind, problem) => {
    await expect(edit(change)).rejects.toThrow(kind);
    await expect(edit(change)).rejects.toThrow(problem);
  });

  it.each<[string, (json: string) => string, RegExp]>([
    ["half a file", (json) => json.slice(0, -40), /a model\.json that is not JSON/],
    ["a nest of brackets", () => `{"modelTopology":${"[".repeat(100_000)}`, /a model\.json that is not JSON/],
    ["a scale beyond numbers", (json) => json.replace('"scale":7', '"scale":1e999'), /has the scale "null"/],
  ])("%s", async (_, text, problem) => {
    const reading = edit(quantized({ dtype: "uint8", scale: 7, min: 0 }), text);
    await expect(reading).rejects.toThrow(FormatError);
    await expect(reading).rejects.toThrow(problem);
  });

  it("a shard that is too short, or too long", async () => {
    const cut = (length: number) => edit(() => {}, undefined, new Uint8Array(length));
    await expect(cut(299)).rejects.toThrow(/have 879 bytes, expected 880; one is cut off/);
    await expect(cut(301)).rejects.toThrow(/have 881 bytes, expected 880/);
  });

  it("a layers model has the same configuration where TensorFlow.js itself saved it", async () => {
    const config = { name: "own", layers: [{ class_name: "InputLayer", config: { name: "in" } }] };
    const { metadata, graph } = await edit((model) => {
      model.modelTopology = {
        class_name: "Model",
        config,
        keras_version: "tfjs-layers 4.22.0",
        backend: "tensor_flow.js",
      };
    });
    expect(JSON.parse(metadata["keras.config"]!)).toEqual({ class_name: "Model", config });
    expect(metadata["keras.version"]).toBe("tfjs-layers 4.22.0");
    expect(graph?.mismatch).toMatch(/^found 0 convolutions/);
  });

  it("nodes that read one another are an error when they are followed", async () => {
    const { graph } = await edit((model) => {
      model.modelTopology = {
        node: [
          { name: "x", op: "Placeholder" },
          { name: "a", op: "Relu", input: ["b:0", "^c"] },
          { name: "b", op: "Relu", input: ["a"] },
          { name: "c", op: "Conv2D", input: ["x", "conv1_conv/kernel"], attr: { strides: 1, padding: { s: "%" } } },
          { op: 7 },
          null,
        ],
      };
    });
    expect(() => graph!.fit(graphOf(basic))).toThrow(ResidualError);
  });

  it("a second input that a node reads is told, and names find nothing then", async () => {
    const inputs = (...names: readonly string[]) =>
      edit((model) => {
        const given = ["x", "extra"].map((name) => ({ name, op: "Placeholder" }));
        model.modelTopology = { node: [...given, { name: "sum", op: "AddV2", input: names }] };
      });
    const { graph } = await inputs("x", "extra");
    expect(graph!.mismatch).toBe('found the inputs "x", "extra", expected one');
    expect(() => graph!.fit(graphOf(basic))).toThrow(UnsupportedError);
    expect((await inputs("x", "x")).graph!.mismatch).toMatch(/^found 0 convolutions/);
  });
});

it("bytes of a model.json alone name the file that they need", async () => {
  const bytes = new Uint8Array(await readFile(fixture("layers/model.json")));
  await expect(readWeights(bytes)).rejects.toThrow('it needs the file "group1-shard1of3.bin" beside it');
});

it("a weight that lies in one file is read in place", async () => {
  const { tensors } = await readWeights(fixture("layers"));
  expect([...tensors.values()].every(isTensor)).toBe(true);
});
