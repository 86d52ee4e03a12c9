import { mkdir, mkdtemp, readFile, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { AbortError, FormatError, type Tensor } from "@residual/core";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { toOnnx } from "../export.ts";
import { lowerToOnnx } from "../lower.ts";
import { type ExternalData, encodeModel, type Initializer } from "../model-proto.ts";
import { concatenate } from "../protobuf.ts";
import { tiny } from "../testing/graphs.ts";
import { verifyOnnx } from "./verify-onnx.ts";
import { writeOnnx } from "./write-onnx.ts";

const { model } = await toOnnx(tiny(), { metadata: { labels: "cat, dog" } });
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "residual-test-"));
});
afterAll(() => rm(folder, { recursive: true }));

/** Where a weight's bytes lie in a file. */
function positionOf(bytes: Uint8Array, { source }: Initializer): number {
  const { data } = source as Tensor;
  return Buffer.from(bytes).indexOf(Buffer.from(data.buffer, data.byteOffset, data.byteLength));
}

function flipped(bytes: Uint8Array, byte: number, bit: number): Uint8Array {
  const copy = bytes.slice();
  copy[byte]! ^= 1 << bit;
  return copy;
}

describe("verifyOnnx", () => {
  it("finds what was written", async () => {
    const summary = await verifyOnnx(model);
    expect(summary).toMatchObject({ model: "tiny", producer: "residual 0.1.0", metadata: { labels: "cat, dog" } });
    expect(summary.weights).toEqual(lowerToOnnx(tiny()).initializers.map(({ name }) => name));
    const path = join(folder, "tiny.onnx");
    await writeOnnx(tiny(), path, { external: true });
    expect((await verifyOnnx(path)).weightsSha256).toBe(summary.weightsSha256);
  });

  it("V1: refuses what is no model, or another program's", async () => {
    await expect(verifyOnnx(new Uint8Array())).rejects.toThrow("onnx.V1");
    await expect(verifyOnnx(concatenate(encodeModel(lowerToOnnx(tiny()), "1")))).rejects.toThrow(
      "another program wrote it",
    );
    await expect(verifyOnnx(Uint8Array.of(0x38, 0x01))).rejects.toThrow("a number where bytes are expected");
  });

  it("throws FormatError for a file cut short anywhere", async () => {
    for (let length = 0; length < model.length; length += 1) {
      await expect(verifyOnnx(model.subarray(0, length))).rejects.toThrow(FormatError);
    }
  });

  it("throws nothing but FormatError on damaged bytes", async () => {
    const position = fc.nat(model.length - 1);
    const damage = fc.array(fc.tuple(position, fc.nat(255)), { minLength: 1, maxLength: 8 });
    await fc.assert(
      fc.asyncProperty(damage, async (changes) => {
        const bytes = model.slice();
        for (const [at, value] of changes) bytes[at] = value;
        await verifyOnnx(bytes).catch((error) => expect(error).toBeInstanceOf(FormatError));
      }),
      { numRuns: 500 },
    );
  });

  it("V2: refuses a tensor with other bytes than its shape takes", async () => {
    const lowered = lowerToOnnx(tiny());
    const initializers = lowered.initializers.map((each) => ({
      ...each,
      source: { ...each.source, shape: [...each.source.shape, 2] },
    }));
    const metadata = { "residual.weightsSha256": "" };
    const bytes = concatenate(encodeModel({ ...lowered, initializers, metadata }, "1"));
    await expect(verifyOnnx(bytes)).rejects.toThrow("onnx.V2: conv.weight has 324 bytes, its shape takes 648");
  });

  it.each<[string, Partial<ExternalData>]>([
    ["is not the name of a file", { location: "../outside.bin" }],
    ["is not the name of a file", { location: "/etc/passwd" }],
    ["is not the name of a file", { location: ".." }],
    ["is not the name of a file", { location: "" }],
    ["are not whole numbers", { offset: -4 }],
    ["are not whole numbers", { offset: 1e300 }],
    ["is not a file beside the model", { location: "missing.bin" }],
    ["ends at byte 100000, weights reach to 100324", { offset: 100_000 }],
    ["take more bytes than it has", {}], // all eight weights claim the same 324 bytes of a file of 400
  ])("V3: weights outside the model: %s, %o", async (message, change) => {
    const lowered = lowerToOnnx(tiny());
    const [first] = lowered.initializers;
    const external = { location: "weights.bin", offset: 0, length: 324, ...change };
    const initializers = Array.from({ length: 8 }, () => ({ ...first!, external }));
    const path = join(await mkdtemp(join(folder, "v3-")), "model.onnx");
    await writeFile(join(path, "..", "weights.bin"), new Uint8Array(400));
    await writeFile(
      path,
      concatenate(encodeModel({ ...lowered, initializers, metadata: { "residual.weightsSha256": "" } }, "1")),
    );
    await expect(verifyOnnx(path)).rejects.toThrow(message);
  });

  it("V3: asks for the path where bytes alone do not hold the weights", async () => {
    await expect(verifyOnnx((await toOnnx(tiny(), { external: "w.bin" })).model)).rejects.toThrow(
      "verify the model by its path",
    );
  });

  it("V4: finds every flipped bit of every weight", async () => {
    for (const initializer of lowerToOnnx(tiny()).initializers) {
      const start = positionOf(model, initializer);
      for (let bit = 0; bit < (initializer.source as Tensor).data.byteLength * 8; bit++) {
        await expect(verifyOnnx(flipped(model, start + (bit >> 3), bit & 7))).rejects.toThrow("onnx.V4");
      }
    }
  });

  it("V4: finds a flipped bit, a missing end, and a missing file beside the model", async () => {
    const path = join(folder, "apart.onnx");
    await writeOnnx(tiny(), path, { external: true });
    const weights = await readFile(`${path}.bin`);
    await writeFile(`${path}.bin`, flipped(weights, 5, 7));
    await expect(verifyOnnx(path)).rejects.toThrow("onnx.V4");
    await truncate(`${path}.bin`, weights.length - 1);
    await expect(verifyOnnx(path)).rejects.toThrow(FormatError);
    await rm(`${path}.bin`);
    await mkdir(`${path}.bin`);
    await expect(verifyOnnx(path)).rejects.toThrow(FormatError);
  });

  it("stops when it is aborted", async () => {
    await expect(verifyOnnx(model, { signal: AbortSignal.abort() })).rejects.toThrow(AbortError);
  });
});
