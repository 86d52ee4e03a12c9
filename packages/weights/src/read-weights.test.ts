import { execFileSync } from "node:child_process";
import { createReadStream, truncateSync } from "node:fs";
import { copyFile, mkdir, mkdtemp, rm, truncate, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join as joinPath, relative } from "node:path";
import { pathToFileURL } from "node:url";
import { runInNewContext } from "node:vm";
import {
  bind,
  FormatError,
  fixtureWeights,
  isTensor,
  OutOfMemoryError,
  type Progress,
  readTensor,
  resnet,
  type Tensor,
  tensor,
  tensorOf,
  variants,
  WeightsError,
} from "@residual/core";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { encodeSafetensors } from "./encode-safetensors.ts";
import { shippedWeights } from "./known.ts";
import { readWeights } from "./read-weights.ts";
import type { WeightsSource } from "./reader.ts";
import { fileOf, join } from "./testing/bytes.ts";
import { sharedPath } from "./testing/shared.ts";
import { readTensors, Weights } from "./weights.ts";
import { writeSafetensors } from "./write-safetensors.ts";

let folder: string;
let path: string;
const size = 5_000_000; // elements: several chunks
const large = Float32Array.from({ length: size }, (_, i) => i);

beforeAll(async () => {
  folder = await mkdtemp(joinPath(tmpdir(), "residual-read-"));
  path = joinPath(folder, "large.safetensors");
  const small = tensorOf("int64", [], new BigInt64Array([3n]));
  await writeSafetensors(path, { large: tensorOf("float32", [size], large), small, last: tensor([2], [5, 6]) });
});
afterAll(() => rm(folder, { recursive: true }));

describe("a file", () => {
  it("is read by its path, relative or absolute, and by its URL", async () => {
    for (const source of [path, relative(process.cwd(), path), pathToFileURL(path), pathToFileURL(path).href]) {
      const { tensors } = await readTensors(await readWeights(source));
      expect([...tensors.keys()]).toEqual(["large", "small", "last"]);
      expect(
        Buffer.compare(Buffer.from(tensors.get("large")!.data.buffer, 8, size * 4), Buffer.from(large.buffer)),
      ).toBe(0);
      expect(tensors.get("small")?.data).toEqual(new BigInt64Array([3n]));
    }
  });

  it("gives views on one buffer", async () => {
    const { tensors } = await readTensors(await readWeights(relative(process.cwd(), path)));
    const last = tensors.get("last")!;
    expect(last.data.buffer).toBe(tensors.get("large")!.data.buffer);
    expect(last.data).toEqual(Float32Array.of(5, 6));
  });

  it("tells how far it has come, up to the end", async () => {
    const seen: number[] = [];
    await readWeights(path, { onProgress: ({ done, total }) => seen.push(done / total) });
    expect(seen.length).toBeGreaterThan(2);
    expect(seen).toEqual(seen.toSorted((a, b) => a - b));
    expect(seen.at(-1)).toBe(1);
  });

  it("stops when aborted, before and on the way", async () => {
    await expect(readWeights(path, { signal: AbortSignal.abort("no") })).rejects.toMatchObject({
      code: "AbortError",
      cause: "no",
    });
    const controller = new AbortController();
    const seen: number[] = [];
    const onProgress = ({ done, total }: { done: number; total: number }) => {
      seen.push(done / total);
      controller.abort("enough");
    };
    const reading = readWeights(path, { signal: controller.signal, onProgress });
    await expect(reading).rejects.toMatchObject({ code: "AbortError", cause: "enough" });
    expect(seen.every((share) => share < 1)).toBe(true);
  });

  it("may have its data anywhere: unaligned ones are copied", async () => {
    const unaligned = joinPath(folder, "unaligned.safetensors");
    const header =
      '{"u":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"x":{"dtype":"F32","shape":[1],"data_offsets":[1,5]}}  ';
    await writeFile(
      unaligned,
      fileOf(header, join([new Uint8Array([7]), new Uint8Array(Float32Array.of(2.5).buffer)])),
    );
    const { tensors } = await readWeights(unaligned);
    expect(tensors.get("x")).toMatchObject({ data: Float32Array.of(2.5) });
  });
});

describe("whatever a user holds", () => {
  let server: Server;
  let address: string;
  let bytes: Uint8Array<ArrayBuffer>;
  beforeAll(async () => {
    bytes = new Uint8Array(join(encodeSafetensors({ x: tensor([2], [1, 2]) }, { model: "mine" })));
    await writeFile(joinPath(folder, "small.safetensors"), bytes);
    const index = JSON.stringify({ weight_map: { x: "part 1.safetensors" } });
    const answers: Readonly<Record<string, string | Uint8Array>> = {
      "/small.safetensors": bytes,
      "/sub/model.safetensors.index.json?download=true": index,
      "/sub/part%201.safetensors": bytes,
      "/page": "<!doctype html><title>Sign in</title>",
    };
    server = createServer(({ url }, response) => {
      const answer = answers[url!];
      response.writeHead(answer === undefined ? 404 : 200).end(answer);
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    address = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  afterAll(() => void server.close());

  it.each<[string, () => WeightsSource | Promise<WeightsSource>]>([
    ["a path", () => joinPath(folder, "small.safetensors")],
    ["file: text", () => pathToFileURL(joinPath(folder, "small.safetensors")).href],
    ["a file: URL", () => pathToFileURL(joinPath(folder, "small.safetensors"))],
    ["http: text", () => `${address}/small.safetensors`],
    ["an http: URL", () => new URL(`${address}/small.safetensors`)],
    [
      "an index on the web, and the shards beside it",
      () => `${address}/sub/model.safetensors.index.json?download=true`,
    ],
    ["a Blob", () => new Blob([bytes])],
    ["a File", () => new File([bytes], "small.safetensors")],
    ["a Response", () => fetch(`${address}/small.safetensors`)],
    ["an ArrayBuffer", () => bytes.buffer],
    ["a DataView", () => new DataView(bytes.buffer)],
    ["a Uint8Array of another realm", () => runInNewContext("Uint8Array.from(bytes)", { bytes }) as Uint8Array],
    ["a ReadableStream", () => new Blob([bytes]).stream()],
    ["a Readable", () => createReadStream(joinPath(folder, "small.safetensors"))],
  ])("%s", async (_, make) => {
    const weights = await readWeights(await make());
    expect(weights.tensors.get("x")).toEqual(tensor([2], [1, 2]));
    expect(weights.model).toBe("mine");
  });

  it.each<[unknown, string]>([
    [null, "null"],
    [undefined, "undefined"],
    [42, "the number 42"],
    [[1, 2], "an array of 2 elements"],
    [Promise.resolve(), "a Promise; await it"],
    [{ weights: 1 }, "an object {weights}"],
  ])("else a FormatError that names what was given: %#", async (value, found) => {
    const reading = readWeights(value as WeightsSource);
    await expect(reading).rejects.toThrow(FormatError);
    await expect(reading).rejects.toThrow(`found ${found}, expected weights (.safetensors`);
  });

  it("answers with an error's status, and with a page, are told", async () => {
    await expect(readWeights(`${address}/none`)).rejects.toThrow(/none: the server answered 404/);
    await expect(readWeights(`${address}/page`)).rejects.toThrow(/page: found an HTML page \("Sign in"\).*sign in/);
  });

  it("no more than maxBytes", async () => {
    await expect(readWeights(`${address}/small.safetensors`, { maxBytes: 20 })).rejects.toThrow("at most 20");
  });

  it("tells its progress, and stops when aborted", async () => {
    const seen: Progress[] = [];
    await readWeights(`${address}/small.safetensors`, { onProgress: (progress) => seen.push(progress) });
    expect(seen.at(-1)).toEqual({ stage: "read weights", done: bytes.length, total: bytes.length });
    const aborted = readWeights(`${address}/small.safetensors`, { signal: AbortSignal.abort("no") });
    await expect(aborted).rejects.toMatchObject({ code: "AbortError", cause: "no" });
  });

  it("the name of known weights, and what is read of them by a prefix or for a graph", async () => {
    expect((await readWeights("resnet20-cifar10")).model).toBe("cifar_resnet20");
    const both = new Blob(
      encodeSafetensors({ "ema.fc.bias": tensor([1], [1]), "fc.bias": tensor([1], [2]) }).map(
        (part) => new Uint8Array(part),
      ),
    );
    expect([...(await readWeights(both, { prefix: "ema." })).tensors]).toEqual([["fc.bias", tensor([1], [1])]]);
    await expect(readWeights(both, { prefix: "swa." })).rejects.toThrow(WeightsError);
    await expect(readWeights(both, { prefix: "swa." })).rejects.toThrow(
      'no tensor under "swa." among 2, the first of which is "ema.fc.bias"',
    );
    const graph = resnet(variants.cifar_resnet20);
    const wrapped = [...fixtureWeights(graph, "v1").tensors].map(
      ([name, source]) => [`module.${name}`, source] as const,
    );
    const file = new Blob(encodeSafetensors(new Map(wrapped)).map((part) => new Uint8Array(part)));
    expect(() => bind(graph, new Weights(new Map(wrapped)))).toThrow(WeightsError);
    expect(bind(graph, await readWeights(file, { graph })).name).toBe(graph.name);
  });
});

it("says what a bundle lacks where the file that ships is not there", async () => {
  const missing = vi.spyOn(shippedWeights, "url", "get");
  try {
    missing.mockReturnValue(new URL("../known/none.safetensors", import.meta.url).href);
    await expect(readWeights(shippedWeights.name)).rejects.toThrow(
      /there is no such file.*mark @residual\/weights as external/,
    );
    missing.mockImplementation(() => new URL("../known/none.safetensors", undefined).href); // as in a CommonJS bundle
    await expect(readWeights(shippedWeights.name)).rejects.toThrow(/Invalid URL.*mark @residual\/weights as external/);
  } finally {
    missing.mockRestore();
  }
});

describe("shards", () => {
  const write = async (
    name: string,
    files: Readonly<Record<string, Readonly<Record<string, Tensor>>>>,
    map?: object,
  ) => {
    const inside = joinPath(folder, name);
    await mkdir(inside);
    for (const [file, tensors] of Object.entries(files))
      await writeSafetensors(joinPath(inside, file), tensors, { format: "pt" });
    const ofAll = Object.entries(files).flatMap(([file, tensors]) => Object.keys(tensors).map((key) => [key, file]));
    const index = joinPath(inside, "model.safetensors.index.json");
    await writeFile(
      index,
      JSON.stringify({ metadata: { total_size: 8 }, weight_map: map ?? (Object.fromEntries(ofAll) as object) }),
    );
    return index;
  };
  const [one, two] = [tensor([2], [1, 2]), tensor([3], [3, 4, 5])];

  it("are read by their index, or by the folder of both", async () => {
    const index = await write("sharded", { "a.safetensors": { two }, "b.safetensors": { one } });
    for (const source of [index, joinPath(folder, "sharded"), pathToFileURL(index)]) {
      const seen: number[] = [];
      const { tensors, metadata } = await readWeights(source, {
        onProgress: ({ done, total }) => seen.push(done / total),
      });
      expect([...tensors]).toEqual([
        ["two", two],
        ["one", one],
      ]);
      expect(metadata).toEqual({ format: "pt" });
      expect(seen.toSorted((a, b) => a - b)).toEqual(seen);
      expect(seen.at(-1)).toBe(1);
    }
  });

  it("that are large together are lazy, each", async () => {
    const half = tensorOf("float32", [5 << 20], new Float32Array(5 << 20).fill(1));
    const index = await write("large-shards", { "a.safetensors": { a: half }, "b.safetensors": { b: half } });
    const { tensors } = await readWeights(index);
    expect([...tensors.values()].map((source) => isTensor(source))).toEqual([false, false]);
    expect((await readTensor(tensors.get("b")!)).data).toEqual(half.data);
  });

  it("that are missing, incomplete, elsewhere or none are told", async () => {
    const index = await write("gone", { "a.safetensors": { one }, "b.safetensors": { two } });
    await rm(joinPath(folder, "gone", "b.safetensors"));
    await expect(readWeights(index)).rejects.toThrow(/gone.b\.safetensors: there is no such file/);
    const lacking = await write(
      "lacking",
      { "a.safetensors": { one } },
      { one: "a.safetensors", two: "a.safetensors" },
    );
    await expect(readWeights(lacking)).rejects.toThrow(
      '"a.safetensors" lacks the tensor "two"; download the shards again',
    );
    for (const [i, shard] of ["../a.safetensors", "/etc/passwd", "a/b", "c:x", "..", 3].entries()) {
      const outside = await write(`outside-${i}`, {}, { one: shard });
      await expect(readWeights(outside)).rejects.toThrow(/expected the name of a file beside the index/);
    }
    const empty = await write("empty-index", {}, {});
    await expect(readWeights(empty)).rejects.toThrow("found no weight_map");
    const tensors = await write(
      "many-tensors",
      {},
      Object.fromEntries(Array.from({ length: 100_001 }, (_, i) => [i, "a"])),
    );
    await expect(readWeights(tensors)).rejects.toThrow("found 100001 tensors, expected at most 100000");
    for (const [text, message] of [
      [`{"weight_map":${"[".repeat(500_000)}`, "found JSON nested more than 64 deep, expected an index of shards"],
      [`{"weight_map":[${"0,".repeat(500_000)}0]}`, "found JSON of more than 200000 values"],
      ['{"weight_map":', "found text that is not JSON, expected an index of shards"],
    ] as const) {
      await writeFile(tensors, text);
      await expect(readWeights(tensors)).rejects.toThrow(message);
    }
    const nested = await write("nested", {}, { one: "model.safetensors.index.json" });
    await expect(readWeights(nested)).rejects.toThrow("found an index of shards within another");
    const alone = new Blob([JSON.stringify({ weight_map: { one: "a" } })]);
    await expect(readWeights(alone)).rejects.toThrow('it needs the file "a" beside it; give its path or its address');
  });
});

describe("what is refused", () => {
  const refusal = async (source: string | URL, kind: typeof FormatError | typeof WeightsError = FormatError) => {
    const reading = readWeights(source);
    await expect(reading).rejects.toThrow(kind);
    return reading.catch((error: Error) => error.message);
  };

  it("a file that is not there", async () => {
    const missing = /none\.safetensors: there is no such file; check the path, or .* residual weights list$/;
    expect(await refusal(joinPath(folder, "none.safetensors"), WeightsError)).toMatch(missing);
    expect(await refusal(joinPath(path, "none.safetensors"), WeightsError)).toMatch(missing);
    expect(await refusal("resnet20-cifar100", WeightsError)).toMatch(/^resnet20-cifar100: there is no such file/);
    expect(await refusal("", WeightsError)).toMatch(/^an empty path: /);
    expect(await refusal("a\0b", WeightsError)).toMatch(/^a\\u\{0\}b: it cannot be opened/);
  });

  it("a directory, a pipe, a device", async () => {
    const inside = joinPath(folder, "dir.safetensors");
    await mkdir(inside);
    expect(await refusal(inside)).toMatch(
      /found a directory without model\.safetensors, .*, model\.onnx, model\.json or another \.safetensors file; name/,
    );
    const saved = joinPath(folder, "saved");
    await mkdir(saved);
    await writeFile(joinPath(saved, "saved_model.pb"), "");
    expect(await refusal(saved)).toMatch(
      /found a SavedModel of TensorFlow, .* --saved-model .*saved --output model\.onnx$/,
    );
    for (const name of ["a", "b"]) await writeSafetensors(joinPath(inside, `${name}.safetensors`), {});
    expect(await refusal(inside)).toMatch(
      /found a directory with 2 files of weights, a\.safetensors, b\.safetensors, expected one; name/,
    );
    await rm(joinPath(inside, "a.safetensors"));
    expect((await readWeights(inside)).tensors.size).toBe(0);
    if (process.platform === "win32") return;
    expect(await refusal("/dev/zero")).toMatch(/found a device, expected weights \(\.safetensors/);
    execFileSync("mkfifo", [joinPath(folder, "pipe")]);
    expect(await refusal(joinPath(folder, "pipe"))).toMatch(/found a pipe, .*; give a stream of it/);
  });

  it("a truncated file, and one with bytes left over", async () => {
    const damaged = joinPath(folder, "damaged.safetensors");
    const bytes = join(encodeSafetensors({ x: tensor([2], [1, 2]) }));
    await writeFile(damaged, bytes.subarray(0, -1));
    expect(await refusal(damaged)).toMatch(/tensor "x": data_offsets \[0, 8\] lie outside the 7 bytes of data/);
    await writeFile(damaged, bytes.subarray(0, 30));
    expect(await refusal(damaged)).toMatch(/its header claims \d+ bytes, expected at most 22/);
    await writeFile(damaged, join([bytes, new Uint8Array(1)]));
    expect(await refusal(damaged)).toMatch(/its tensors end at byte 8 of the data, which holds 9/);
  });

  it("a header of 100 MB in a file of 200 bytes or of a terabyte, without allocating it", async () => {
    const hostile = joinPath(folder, "hostile.safetensors");
    await writeFile(hostile, fileOf("{}", new Uint8Array(200), 100_000_000n));
    expect(await refusal(hostile)).toMatch(/its header claims 100000000 bytes, expected at most 202/);
    await writeFile(hostile, fileOf("{}", new Uint8Array(200), 2n ** 40n));
    await truncate(hostile, 2 ** 40); // a sparse file
    expect(await refusal(hostile)).toMatch(/its header claims 1099511627776 bytes, expected at most 100000000/);
  });

  it("a file that shrinks while it is read", async () => {
    const shrinking = joinPath(folder, "shrinking.safetensors");
    await copyFile(path, shrinking);
    const reading = readWeights(shrinking, { onProgress: () => truncateSync(shrinking) });
    await expect(reading).rejects.toThrow(FormatError);
    await expect(reading).rejects.toThrow(/it ended at byte \d+ while it was read/);
  });

  it.skipIf(process.platform === "win32")("a terabyte, for which there is no memory", async () => {
    const huge = joinPath(folder, "huge.safetensors");
    const header = `{"x":{"dtype":"U8","shape":[${2 ** 40}],"data_offsets":[0,${2 ** 40}]}}`;
    await writeFile(huge, fileOf(header, new Uint8Array(0)));
    await truncate(huge, 8 + header.length + 2 ** 40);
    await expect(readWeights(huge)).rejects.toThrow(OutOfMemoryError);
  });

  it("file addresses that name no file here", async () => {
    expect(await refusal("file:///a%2Fb.safetensors")).toMatch(/give the path of a file/);
  });

  it("a dtype that core lacks, before its data are read", async () => {
    const bytes = fileOf('{"mask":{"dtype":"C64","shape":[1],"data_offsets":[0,8]}}', new Uint8Array(8));
    await expect(readWeights(bytes)).rejects.toThrow(/the given weights: tensor "mask" is C64/);
  });
});

const realFiles = [
  ["data/weights/cifar-resnet/resnet20-12fca82f.safetensors", 97],
  ["data/weights/cifar-resnet/resnet44-014dd654.safetensors", 217],
  ["data/weights/mlperf-tiny-resnet8/pretrainedResnet.safetensors", 48],
  ["data/weights/resnet50v2-trunk/stem-stage1-stage2.safetensors", 116],
  ["data/weights/squeezenet1.1/squeezenet1.1.safetensors", 52],
] as const;

describe.each(realFiles)("%s", (file, count) => {
  const real = sharedPath(file);

  it.skipIf(!real)("is read whole and written back the same", async () => {
    const { tensors, metadata } = await readTensors(await readWeights(real!));
    expect(tensors.size).toBe(count);
    const again = await readWeights(join(encodeSafetensors(tensors, metadata)));
    for (const [name, { data }] of tensors) expect(again.tensors.get(name)!.data).toEqual(data);
    expect(again.metadata).toEqual(metadata);
  });
});
