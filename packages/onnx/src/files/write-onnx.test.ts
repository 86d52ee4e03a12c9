import { createHash } from "node:crypto";
import { chmod, mkdtemp, readdir, readFile, rm, stat, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  AbortError,
  bind,
  constant,
  FormatError,
  fixtureWeights,
  graph,
  input,
  ops,
  type Progress,
  resnet,
  ShapeError,
  UnsupportedError,
  type Value,
  valuesOf,
  variants,
  version,
} from "@residual/core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { toOnnx } from "../export.ts";
import { tiny, wide } from "../testing/graphs.ts";
import { decodeModel } from "../testing/onnx-descriptor.ts";
import { runModel } from "../testing/onnxruntime.ts";
import { bitsOf, fill } from "../testing/values.ts";
import { openOnnx } from "./open-onnx.ts";
import { writeOnnx } from "./write-onnx.ts";

const image = fill([2, 3, 8, 8], 9);
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "residual-test-"));
});
afterAll(() => rm(folder, { recursive: true }));

/** Bytes of the entry: tag and length, then those of the key `residual.sha256`, and of 64 digits. */
const DIGEST_ENTRY = 2 + 2 + 15 + 2 + 64;

const answer = async (model: Uint8Array | string) => bitsOf((await runModel(model, { image })).logits!);

const graphOf = (seed: number) => wide(16, 1, () => fill([16, 16], seed));
const answerOf = async (model: Uint8Array | string) => bitsOf((await runModel(model, { x: fill([1, 16], 7) })).y!);

describe("toOnnx", () => {
  it("names its maker, the model, and the digest of all before it", async () => {
    const bytes = (await toOnnx(tiny())).model;
    const { producerName, producerVersion, metadataProps, graph, opsetImport } = decodeModel(bytes);
    expect([producerName, producerVersion, graph.name]).toEqual(["residual", version, "tiny"]);
    expect(opsetImport).toMatchObject([{ version: 17n }]);
    expect(metadataProps.map(({ key, value }) => [key, value])).toEqual([
      ["residual.model", "tiny"],
      ["residual.sha256", createHash("sha256").update(bytes.subarray(0, -DIGEST_ENTRY)).digest("hex")],
    ]);
  });

  it("names initializers like parameters", async () => {
    const { initializer } = decodeModel((await toOnnx(tiny())).model).graph;
    expect(initializer.map(({ name }) => name).slice(0, 2)).toEqual(["conv.weight", "bn.weight"]);
    expect(new Float32Array(initializer[0]!.rawData.slice().buffer)).toEqual(fill([3, 3, 3, 3], 1).data);
  });

  it.each(["cifar_resnet20", "cifar_preact20_proj", "mlperf_tiny_resnet8", "seresnet50"] as const)(
    "names every node of %s by its value, and has a shape for every value",
    async (name) => {
      const open = resnet(variants[name]);
      const net = bind(open, fixtureWeights(open, "v1"));
      const { node, input, output, valueInfo } = decodeModel((await toOnnx(net)).model).graph;
      expect(node.map((each) => each.name)).toEqual(node.map((each) => each.output[0]));
      const shapes = [...input, ...output, ...valueInfo].map(({ name, type }) => [
        name,
        type.tensorType.shape.dim.map(({ dimParam, dimValue }) => (dimParam === "" ? Number(dimValue) : dimParam)),
      ]);
      const values = valuesOf(net).filter(({ kind }) => kind === "node" || kind === "input");
      const outputs = Object.entries<Value>(net.outputs); // `logits` is the value fc under another name
      const all = [...values.map((value) => [value.name, value] as const), ...outputs];
      const expected = new Map<string, unknown>(all.map(([name, { shape }]) => [name, shape]));
      expect(new Map(shapes as [string, unknown][])).toEqual(expected);
      expect(shapes).toHaveLength(expected.size);
    },
  );

  it("lays external weights out at multiples of 64 bytes", async () => {
    const { model, external } = await toOnnx(tiny(), { external: "weights.bin" });
    const bytes = Buffer.concat(external!);
    for (const { name, rawData, dataLocation, externalData } of decodeModel(model).graph.initializer) {
      const { location, offset, length } = Object.fromEntries(externalData.map(({ key, value }) => [key, value]));
      expect([name, rawData.length, dataLocation, location, Number(offset) % 64]).toEqual([
        name,
        0,
        1,
        "weights.bin",
        0,
      ]);
      expect(Number(offset) + Number(length)).toBeLessThanOrEqual(bytes.length);
    }
  });

  it("takes metadata of others, and keeps its own", async () => {
    const { metadataProps } = decodeModel((await toOnnx(tiny(), { metadata: { labels: "a\nb" } })).model);
    expect(metadataProps).toContainEqual(expect.objectContaining({ key: "labels", value: "a\nb" }));
    await expect(toOnnx(tiny(), { metadata: { "residual.model": "x" } })).rejects.toThrow(UnsupportedError);
  });

  it("does not exceed what protobuf and onnxruntime take", async () => {
    // The numbers are never read: sizes are checked first.
    const huge = {
      dtype: "float32" as const,
      shape: [2 ** 15, 2 ** 15],
      data: new Proxy(new Float32Array(), {
        get: (of, key): unknown => (key === "byteLength" ? 2 ** 32 : Reflect.get(of, key)),
      }),
    };
    const x = input("x", ["N", 2 ** 15]);
    const model = graph({
      name: "huge",
      inputs: { x },
      outputs: { y: ops.linear({ x, weight: constant("fc.weight", huge) }) },
    });
    await expect(toOnnx(model, { external: "w.bin" })).rejects.toThrow("fc.weight has 4294967296 bytes");
  });

  it("knows its version", async () => {
    const manifest: unknown = JSON.parse(await readFile(new URL("../../package.json", import.meta.url), "utf8"));
    expect(manifest).toMatchObject({ version });
  });
});

describe("writeOnnx", () => {
  it("writes a file that answers like the model in memory, bit for bit", async () => {
    const path = join(folder, "alone.onnx");
    await writeOnnx(tiny(), path);
    expect(await readFile(path)).toEqual(Buffer.from((await toOnnx(tiny())).model));
    expect(await answer(path)).toBe(await answer((await toOnnx(tiny())).model));
  });

  it("writes the weights beside it, with the same answer", async () => {
    const path = join(folder, "apart.onnx");
    await writeOnnx(tiny(), path, { external: true });
    const [model, weights, ...others] = (await readdir(folder)).filter((name) => name.startsWith("apart"));
    expect([model, others]).toEqual(["apart.onnx", []]);
    const digest = createHash("sha256")
      .update(await readFile(join(folder, weights!)))
      .digest("hex");
    expect(weights).toBe(`apart.onnx.${digest.slice(0, 16)}.bin`);
    expect(await answer(path)).toBe(await answer((await toOnnx(tiny())).model));
  });

  it("never puts a model beside the weights of another, whenever it is stopped, and tidies up the next time", async () => {
    const place = await mkdtemp(join(folder, "pair-"));
    const path = join(place, "m.onnx");
    const [old, next] = [graphOf(1), graphOf(2)];
    await writeOnnx(old, path, { external: true });
    await chmod(path, 0o600);
    const [, before] = await readdir(place);
    // As after a kill between the two renames: the new weights are there, the model is still the old one.
    const { model } = await toOnnx(old);
    await writeOnnx(next, join(place, "other.onnx"), { external: true });
    expect(await answerOf(path)).toBe(await answerOf(model));
    await writeOnnx(next, path, { external: true });
    const files = (await readdir(place)).filter((name) => name.startsWith("m.onnx"));
    expect(files).toHaveLength(2);
    expect(files).not.toContain(before);
    expect(await answerOf(path)).toBe(await answerOf((await toOnnx(next)).model));
    for (const name of files) expect((await stat(join(place, name))).mode & 0o777).toBe(0o600);
    await writeOnnx(next, path);
    expect((await readdir(place)).filter((name) => name.startsWith("m.onnx"))).toEqual(["m.onnx"]);
  });

  it.each(["", "models/"])("refuses %o as the path of a file", async (path) => {
    await expect(writeOnnx(tiny(), path)).rejects.toThrow(FormatError);
  });

  it("tells its progress in bytes, up to the end", async () => {
    const seen: Progress[] = [];
    await writeOnnx(wide(64, 3), join(folder, "progress.onnx"), {
      external: true,
      onProgress: (progress) => seen.push(progress),
    });
    const { done, total } = seen.at(-1)!;
    expect(done).toBe(total);
    expect(seen.map((each) => each.done)).toEqual(seen.map((each) => each.done).toSorted((a, b) => a - b));
  });

  it("leaves the old file and nothing else when it is aborted", async () => {
    const path = join(folder, "aborted.onnx");
    await writeFile(path, "old");
    const controller = new AbortController();
    const write = writeOnnx(wide(64, 3), path, {
      external: true,
      signal: controller.signal,
      onProgress: () => controller.abort("enough"),
    });
    await expect(write).rejects.toThrow(AbortError);
    expect((await readdir(folder)).filter((name) => name.startsWith("aborted"))).toEqual(["aborted.onnx"]);
    expect(await readFile(path, "utf8")).toBe("old");
    await expect(writeOnnx(tiny(), path, { signal: AbortSignal.abort() })).rejects.toThrow(AbortError);
  });

  it("leaves nothing behind where it cannot write", async () => {
    await expect(writeOnnx(tiny(), join(folder, "missing", "model.onnx"))).rejects.toThrow("ENOENT");
  });
});

it("says what keeps a file from being written", async () => {
  const path = join(folder, "missing", "model.onnx");
  await expect(writeOnnx(tiny(), path)).rejects.toThrow(FormatError);
  await expect(writeOnnx(tiny(), path)).rejects.toThrow(`${path}: it cannot be written (ENOENT`);
});

describe("openOnnx", () => {
  it.each([
    [false, {}],
    [true, {}],
    [true, { worker: false }],
  ] as const)("answers as the graph that was written does, weights apart: %s, %o", async (external, options) => {
    const path = join(folder, `open-${external}.onnx`);
    await writeOnnx(tiny(), path, { external });
    await using executable = await openOnnx(path, { threads: 1, ...options });
    expect(bitsOf((await executable.run({ image })).logits!)).toBe(await answer(path));
    await expect(executable.run({ picture: image })).rejects.toThrow("tiny takes { image }, found { picture }");
    await expect(executable.run({ image: fill([2, 3, 8, 9], 9) })).rejects.toThrow(ShapeError);
  });

  it("runs on when its files are cut short: it maps none", async () => {
    const path = join(folder, "cut.onnx");
    await writeOnnx(wide(256, 4), path, { external: true });
    await using executable = await openOnnx(path, { threads: 1 });
    const x = fill([3, 256], 1);
    const expected = bitsOf((await executable.run({ x })).y!);
    for (const name of await readdir(folder)) if (name.startsWith("cut.onnx")) await truncate(join(folder, name), 0);
    expect(bitsOf((await executable.run({ x })).y!)).toBe(expected);
  });

  it("refuses flipped bits, which onnxruntime loads", async () => {
    const path = join(folder, "flipped.onnx");
    const { model } = await toOnnx(tiny());
    const weight = Buffer.from(fill([3, 3, 3, 3], 1).data.buffer);
    model[Buffer.from(model).indexOf(weight) + 3]! ^= 1;
    await writeFile(path, model);
    expect(await answer(path)).not.toBe("");
    await expect(openOnnx(path)).rejects.toThrow("onnx.V4");
  });

  it("refuses what is no file of ours", async () => {
    await expect(openOnnx(join(folder, "missing.onnx"))).rejects.toThrow(FormatError);
    await expect(openOnnx(folder)).rejects.toThrow(FormatError);
    await writeFile(join(folder, "text.onnx"), "not a model");
    await expect(openOnnx(join(folder, "text.onnx"))).rejects.toThrow(FormatError);
    await expect(openOnnx(join(folder, "text.onnx"), { threads: 0 })).rejects.toThrow(UnsupportedError);
  });
});
