import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { FormatError, isTensor, type Tensor, tensor, tensorOf } from "@residual/core";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { readWeights } from "./read-weights.ts";
import { metadatas, namedTensors } from "./testing/arbitrary.ts";
import { bitsOf } from "./testing/bits.ts";
import { Weights } from "./weights.ts";
import { writeNpz } from "./write-npz.ts";
import { writePyTorch } from "./write-pytorch.ts";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "residual-archives-"));
});
afterAll(() => rm(folder, { recursive: true }));

describe.each([
  ["npz", writeNpz],
  ["pth", writePyTorch],
])(".%s", (ending, write) => {
  const path = (name: string) => join(folder, `${name}.${ending}`);

  it("gives tensors, names, order and metadata back, bit for bit", async () => {
    const some = namedTensors.filter((named) => named.size > 0);
    await fc.assert(
      fc.asyncProperty(some, metadatas, async (written, metadata) => {
        await write(path("any"), written, metadata);
        const read = await readWeights(path("any"));
        expect([...read.tensors.keys()]).toEqual([...written.keys()]);
        expect(Object.entries(read.metadata)).toEqual(Object.entries(metadata));
        expect(await bitsOf(read)).toEqual(await bitsOf(new Weights(written)));
      }),
      { numRuns: 100, seed: 1 },
    );
  });

  it("starts the numbers of each tensor at a multiple of 64 bytes", async () => {
    const named = { a: tensorOf("uint8", [3], Uint8Array.of(250, 251, 252)), b: tensor([2], [1.2345678, 5.4321]) };
    await write(path("aligned"), named);
    const bytes = await readFile(path("aligned"));
    for (const { data } of Object.values(named)) expect(bytes.indexOf(new Uint8Array(data.buffer)) % 64).toBe(0);
  });

  it("streams lazy sources of a large file, and gives their bits", async () => {
    const data = Float32Array.from({ length: 9_000_000 }, (_, i) => Math.sin(i));
    await write(path("first"), { x: tensorOf("float32", [3000, 3000], data), y: tensor([], [7]) });
    const first = await readWeights(path("first"));
    expect(isTensor(first.tensors.get("x")!)).toBe(false);
    const seen: number[] = [];
    await write(path("second"), first.tensors, {}, { onProgress: ({ done, total }) => seen.push(done / total) });
    expect(seen).toEqual(seen.toSorted((a, b) => a - b));
    expect(seen.at(-1)).toBe(1);
    expect((await readFile(path("second"))).equals(await readFile(path("first")))).toBe(true);
  });

  it("leaves the old file whole when aborted, in either of its passes", async () => {
    await write(path("old"), { x: tensor([], [1]) });
    const before = await readFile(path("old"));
    const large = { x: tensorOf("float32", [9_000_000], new Float32Array(9_000_000)) };
    const controller = new AbortController();
    const whileWritten = { signal: controller.signal, onProgress: () => controller.abort("enough") };
    for (const options of [{ signal: AbortSignal.abort("enough") }, whileWritten])
      await expect(write(path("old"), large, {}, options)).rejects.toMatchObject({
        code: "AbortError",
        cause: "enough",
      });
    expect((await readFile(path("old"))).equals(before)).toBe(true);
    expect((await readdir(folder)).filter((name) => /part|tmp/.test(name))).toEqual([]);
  });

  it.each<[string, Record<string, unknown>, Record<string, unknown>, RegExp]>([
    ["half a surrogate pair", { "\ud800": tensor([], [1]) }, {}, /"\\ud800" holds half a surrogate pair/],
    [
      "data that do not fill the shape",
      { x: { ...tensor([2], [1, 2]), shape: [3] } },
      {},
      /"x" holds 8 bytes .* expected 12/,
    ],
    ["metadata that are not strings", {}, { epochs: 3 }, /metadata "epochs": found number, expected a string/],
    [
      "metadata longer than a zip's comment",
      {},
      { classes: "x".repeat(70_000) },
      /the metadata take 70014 bytes, and a zip's comment holds 65535; leave some out, or write \.safetensors/,
    ],
  ])("%s is refused", async (_, tensors, metadata, message) => {
    const writing = write(path("no"), tensors as Record<string, Tensor>, metadata as Record<string, string>);
    await expect(writing).rejects.toThrow(FormatError);
    await expect(writing).rejects.toThrow(message);
  });
});

it("an array whose name NumPy would cut, or a zip cannot hold, is refused", async () => {
  const named = (name: string) => writeNpz(join(folder, "no.npz"), { [name]: tensor([], [1]) });
  await expect(named("a\0b")).rejects.toThrow(/"a\\u0000b" holds a zero, at which NumPy ends it; rename it/);
  await expect(named("x".repeat(70_000))).rejects.toThrow(/has 70004 bytes, and a zip's hold 65535; rename it/);
});
