import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join as joinPath } from "node:path";
import { FormatError, type Tensor, tensor, tensorOf } from "@residual/core";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { encodeSafetensors } from "./encode-safetensors.ts";
import { readWeights } from "./read-weights.ts";
import { parseHeader } from "./safetensors.ts";
import { metadatas, namedTensors } from "./testing/arbitrary.ts";
import { bitsOf } from "./testing/bits.ts";
import { join } from "./testing/bytes.ts";
import { Weights } from "./weights.ts";
import { writeSafetensors } from "./write-safetensors.ts";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(joinPath(tmpdir(), "residual-write-"));
});
afterAll(() => rm(folder, { recursive: true }));

it("gives tensors, names, order and metadata back, bit for bit", async () => {
  await fc.assert(
    fc.asyncProperty(namedTensors, metadatas, async (written, metadata) => {
      const read = await readWeights(join(encodeSafetensors(written, metadata)));
      expect([...read.tensors.keys()]).toEqual([...written.keys()]);
      expect(Object.entries(read.metadata)).toEqual(Object.entries(metadata));
      expect(await bitsOf(read)).toEqual(await bitsOf(new Weights(written)));
    }),
    { numRuns: 500, seed: 1 },
  );
});

describe("encodeSafetensors", () => {
  it("starts each tensor's data at a multiple of its element's size", () => {
    const pieces = encodeSafetensors({
      a: tensorOf("uint8", [3], new Uint8Array(3)),
      b: tensorOf("float64", [1], new Float64Array(1)),
      c: tensor([1], [1]),
    });
    const header = parseHeader(pieces[0]!.subarray(8), 15, "file");
    expect(header.entries.map(({ name, begin }) => [name, begin])).toEqual([
      ["a", 12],
      ["b", 0],
      ["c", 8],
    ]);
    expect(pieces[0]!.length % 8).toBe(0);
  });

  it("keeps float32 tensors as views, in the order given", () => {
    const [first, second] = [tensor([1], [1]), tensor([1], [2])];
    const pieces = encodeSafetensors({ z: first, a: second });
    expect(pieces[1]!.buffer).toBe(first.data.buffer);
    expect(pieces[2]!.buffer).toBe(second.data.buffer);
  });

  it.each<[string, Record<string, unknown>, Record<string, unknown>, RegExp]>([
    ["a name with half a surrogate pair", { "\ud800": tensor([], [1]) }, {}, /"\\ud800" holds half a surrogate pair/],
    ["the name __metadata__", { __metadata__: tensor([], [1]) }, {}, /cannot be named __metadata__/],
    [
      "data that do not fill the shape",
      { x: { ...tensor([2], [1, 2]), shape: [3] } },
      {},
      /"x" holds 8 bytes .* expected 12/,
    ],
    [
      "data of another dtype",
      { x: { ...tensor([1], [1]), data: new Float64Array(1) } },
      {},
      /"x" holds 8 bytes .* expected 4/,
    ],
    ["metadata that are not strings", {}, { epochs: 3 }, /metadata "epochs": found number, expected a string/],
  ])("refuses %s", (_, given, metadata, message) => {
    const encode = () => encodeSafetensors(given as Record<string, Tensor>, metadata as Record<string, string>);
    expect(encode).toThrow(FormatError);
    expect(encode).toThrow(message);
  });
});

describe("writeSafetensors", () => {
  it("writes what encodeSafetensors encodes, and leaves nothing else", async () => {
    const path = joinPath(folder, "small.safetensors");
    const named = { x: tensor([2], [1, 2]), empty: tensor([0], []) };
    const seen: number[] = [];
    await writeSafetensors(path, named, { a: "b" }, { onProgress: ({ done, total }) => seen.push(done / total) });
    expect(new Uint8Array(await readFile(path))).toEqual(join(encodeSafetensors(named, { a: "b" })));
    expect(seen.at(-1)).toBe(1);
    expect(await readdir(folder)).toEqual(["small.safetensors"]);
  });

  it("replaces a file, and leaves the old one whole when aborted on the way", async () => {
    const path = joinPath(folder, "old.safetensors");
    await writeFile(path, "old");
    const large = { x: tensorOf("float32", [5_000_000], new Float32Array(5_000_000)) };
    const controller = new AbortController();
    const options = { signal: controller.signal, onProgress: () => controller.abort("enough") };
    await expect(writeSafetensors(path, large, {}, options)).rejects.toMatchObject({
      code: "AbortError",
      cause: "enough",
    });
    expect(await readFile(path, "utf8")).toBe("old");
    expect((await readdir(folder)).filter((name) => name.endsWith(".tmp"))).toEqual([]);
    await writeSafetensors(path, { x: tensor([], [1]) });
    expect((await readWeights(path)).tensors.size).toBe(1);
  });

  it("says why it cannot write", async () => {
    const writing = writeSafetensors(joinPath(folder, "missing", "x.safetensors"), {});
    await expect(writing).rejects.toThrow(FormatError);
    await expect(writing).rejects.toThrow(
      /x\.safetensors: it cannot be written \(ENOENT.*check the path and the space left/,
    );
  });
});
