import { appendFile, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { AbortError, bind, FormatError, graph, input, ops, parameter, tensorOf, WeightsError } from "@residual/core";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { readWeights } from "./read-weights.ts";
import { writeSafetensors } from "./write-safetensors.ts";

/** Above 32 MiB, and cut by chunks of 1 MiB at places that are no tensor's edge. */
const sizes = { a: [3, 1000, 1100], tiny: [7], b: [2, 2, 1400000] } as const;

let folder: string;
let file: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "residual-test-"));
  file = join(folder, "large.safetensors");
});
afterAll(() => rm(folder, { recursive: true }));

const numbers = (shape: readonly number[], seed: number) => {
  const data = new Float32Array(shape.reduce((size, length) => size * length, 1));
  for (let i = 0; i < data.length; i++) data[i] = Math.sin(seed + i);
  return tensorOf("float32", shape, data);
};
const tensors = {
  a: numbers(sizes.a, 1),
  tiny: numbers(sizes.tiny, 2),
  b: numbers(sizes.b, 3),
  "n.num_batches_tracked": tensorOf("int64", [], BigInt64Array.of(7n)),
};

beforeEach(() => writeSafetensors(file, tensors, { model: "large" }));

describe("a file of 32 MiB or more", () => {
  it("has the same numbers as its bytes", async () => {
    const [lazy, whole] = [await readWeights(file), await readWeights(await readFile(file))];
    expect(lazy.metadata).toEqual({ model: "large" });
    expect([...lazy.tensors.keys()]).toEqual([...whole.tensors.keys()]);
    for (const [name, { dtype, shape, data }] of lazy.tensors) {
      const expected = whole.tensors.get(name)!;
      expect({ name, dtype, shape }).toEqual({ name, dtype: expected.dtype, shape: expected.shape });
      expect(Buffer.compare(Buffer.from(data.buffer, data.byteOffset, data.byteLength), bytesOf(expected.data))).toBe(
        0,
      );
    }
  });

  it("is not read into memory until it is asked for", async () => {
    const before = process.memoryUsage().arrayBuffers;
    const { tensors: lazy } = await readWeights(file);
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(8 << 20);
    const first = lazy.get("a")!.data;
    expect(lazy.get("a")!.data).toBe(first);
  });

  it.each([
    ["a", 0, Number.NaN],
    ["a", 3_299_999, Infinity],
    ["a", 262_143, -Infinity],
    ["tiny", 3, Number.NaN],
    ["b", 1_234_567, Number.NaN],
    ["b", 5_599_999, Infinity],
  ] as const)("has a number in %s at %i that is none", async (name, index, value) => {
    const data = tensors[name].data.slice();
    data[index] = value;
    await writeSafetensors(file, { ...tensors, [name]: tensorOf("float32", tensors[name].shape, data) });
    const weights = await readWeights(file);
    for (const each of ["a", "tiny", "b"]) {
      expect(weights.tensors.get(each)!.source!.firstNonFinite).toBe(each === name ? index : -1);
    }
    expect(() => bind(model, weights)).toThrow(WeightsError);
    expect(() => bind(model, weights)).toThrow(`${name} is not finite: found ${value} at index ${index}`);
  });

  it("takes the largest finite numbers and subnormals for what they are", async () => {
    const data = tensors.a.data.map((_, i) => [3.4028234e38, -3.4028234e38, 1e-45, -0][i % 4]!);
    await writeSafetensors(file, { ...tensors, a: tensorOf("float32", sizes.a, data) });
    expect((await readWeights(file)).tensors.get("a")!.source!.firstNonFinite).toBe(-1);
  });

  it.each<[string, () => Promise<unknown>]>([
    ["been written to", () => appendFile(file, "x")],
    ["been replaced", () => rm(file).then(() => writeFile(file, "another"))],
    ["gone", () => rm(file)],
  ])("says so when it has %s", async (_, change) => {
    const { tensors: lazy } = await readWeights(file);
    expect(await lazy.get("a")!.source!.isCurrent()).toBe(true);
    await change();
    expect(await lazy.get("a")!.source!.isCurrent()).toBe(false);
    expect(() => lazy.get("a")!.data).toThrow(FormatError);
    expect(() => lazy.get("a")!.data).toThrow("has changed since it was opened; read it again");
  });

  it("is read into memory of the caller's, as often as asked", async () => {
    const { tensors: lazy } = await readWeights(file);
    const memory = new Float32Array(tensors.b.data.length);
    for (const name of ["b", "a"] as const) {
      const { data } = tensors[name];
      lazy.get(name)!.source!.readInto!(new Uint8Array(memory.buffer, 0, data.byteLength));
      expect(memory.subarray(0, data.length)).toEqual(data);
    }
    await rm(file);
    expect(() => lazy.get("a")!.source!.readInto!(new Uint8Array(memory.buffer, 0, 8))).toThrow(FormatError);
  });

  it("stops when it is aborted", async () => {
    const controller = new AbortController();
    const reading = readWeights(file, { signal: controller.signal, onProgress: () => controller.abort() });
    await expect(reading).rejects.toThrow(AbortError);
  });
});

const x = input("x", [1, 1]);
const flat = (name: keyof typeof sizes) => parameter(name, sizes[name]);
/** Only its parameters matter: convolutions as large as the tensors would be no graph. */
const model = graph({
  name: "large",
  inputs: { x },
  outputs: { a: flat("a"), tiny: flat("tiny"), b: flat("b"), y: ops.relu({ x }) },
});

function bytesOf({ buffer, byteOffset, byteLength }: ArrayBufferView): Buffer {
  return Buffer.from(buffer, byteOffset, byteLength);
}
