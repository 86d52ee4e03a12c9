import { createHash } from "node:crypto";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  AbortError,
  constant,
  FormatError,
  graph,
  input,
  ops,
  type Progress,
  ShapeError,
  UnsupportedError,
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

const answer = async (model: Uint8Array | string) => bitsOf((await runModel(model, { image })).logits!);

describe("toOnnx", () => {
  it("names its maker, the model, and the digest of the weights", async () => {
    const { producerName, producerVersion, metadataProps, graph, opsetImport } = decodeModel(
      (await toOnnx(tiny())).model,
    );
    expect([producerName, producerVersion, graph.name]).toEqual(["residual", version, "tiny"]);
    expect(opsetImport).toMatchObject([{ version: 17n }]);
    const hash = createHash("sha256");
    for (const { rawData } of graph.initializer) hash.update(rawData);
    expect(Object.fromEntries(metadataProps.map(({ key, value }) => [key, value]))).toEqual({
      "residual.model": "tiny",
      "residual.weightsSha256": hash.digest("hex"),
    });
  });

  it("names initializers like parameters", async () => {
    const { initializer } = decodeModel((await toOnnx(tiny())).model).graph;
    expect(initializer.map(({ name }) => name).slice(0, 2)).toEqual(["conv.weight", "bn.weight"]);
    expect(new Float32Array(initializer[0]!.rawData.slice().buffer)).toEqual(fill([3, 3, 3, 3], 1).data);
  });

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
    expect((await readdir(folder)).filter((name) => name.startsWith("apart"))).toEqual([
      "apart.onnx",
      "apart.onnx.bin",
    ]);
    expect(await answer(path)).toBe(await answer((await toOnnx(tiny())).model));
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
  it.each([false, true])("answers as the graph that was written does, weights apart: %s", async (external) => {
    const path = join(folder, `open-${external}.onnx`);
    await writeOnnx(tiny(), path, { external });
    await using executable = await openOnnx(path, { threads: 1 });
    expect(bitsOf((await executable.run({ image })).logits!)).toBe(await answer(path));
    await expect(executable.run({ picture: image })).rejects.toThrow("tiny takes { image }, found { picture }");
    await expect(executable.run({ image: fill([2, 3, 8, 9], 9) })).rejects.toThrow(ShapeError);
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
