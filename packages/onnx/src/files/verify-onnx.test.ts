import { createHash } from "node:crypto";
import { readdirSync } from "node:fs";
import { mkdir, mkdtemp, readFile, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { AbortError, constant, FormatError, graph, input, ops } from "@residual/core";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { seal, toOnnx, unseal } from "../export.ts";
import { lowerToOnnx } from "../lower.ts";
import { type ExternalData, encodeModel, fields, type Model } from "../model-proto.ts";
import { concatenate, type Encoded, int, join as joinFields } from "../protobuf.ts";
import { tiny } from "../testing/graphs.ts";
import { fill } from "../testing/values.ts";
import { verifyOnnx } from "./verify-onnx.ts";
import { writeOnnx } from "./write-onnx.ts";

const { model } = await toOnnx(tiny(), { metadata: { labels: "cat, dog" } });
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "residual-test-"));
});
afterAll(() => rm(folder, { recursive: true }));

/** The one weights file of a model. */
function weightsOf(path: string): string {
  const [name, ...others] = readdirSync(dirname(path)).filter(
    (each) => each.startsWith(`${basename(path)}.`) && each.endsWith(".bin"),
  );
  expect(others).toEqual([]);
  return join(dirname(path), name!);
}

const hex = (pieces: readonly Uint8Array[]) => createHash("sha256").update(Buffer.concat(pieces)).digest("hex");

/** A file that has its digest, whatever else is wrong with it. */
const sealed = async (change: Partial<Model>) => concatenate(await seal(hex, { ...lowerToOnnx(tiny()), ...change }));

function flipped(bytes: Uint8Array, byte: number, bit: number): Uint8Array {
  const copy = Uint8Array.from(bytes); // a Buffer's slice would be a view
  copy[byte]! ^= 1 << bit;
  return copy;
}

/** Bytes that are no model of ours, with their digest at the end. */
async function resealed(body: Encoded): Promise<Uint8Array> {
  const whole = concatenate(await seal(hex, lowerToOnnx(tiny())));
  const { body: old, digest } = unseal(whole)!;
  const between = whole.subarray(old.length, -digest.length);
  return Buffer.concat([concatenate(body), between, Buffer.from(hex([concatenate(body)]))]);
}

const x = input("x", [1, 2]);
const smallest = graph({
  name: "smallest",
  inputs: { x },
  outputs: { y: ops.linear({ x, weight: constant("fc.weight", fill([1, 2], 1)) }) },
});

describe("verifyOnnx", () => {
  it("finds what was written", async () => {
    const summary = await verifyOnnx(model);
    expect(summary).toMatchObject({ model: "tiny", producer: "residual 0.1.0", metadata: { labels: "cat, dog" } });
    expect(summary.weights).toEqual(lowerToOnnx(tiny()).initializers.map(({ name }) => name));
    const path = join(folder, "tiny.onnx");
    await writeOnnx(tiny(), path, { external: true });
    const apart = await verifyOnnx(path);
    expect({ ...apart, sha256: "", metadata: {} }).toEqual({ ...summary, sha256: "", metadata: {} });
    expect(
      createHash("sha256")
        .update(await readFile(weightsOf(path)))
        .digest("hex"),
    ).toBe(apart.metadata["residual.weightsSha256"]);
  });

  it("V1: refuses what is no model, or another program's", async () => {
    await expect(verifyOnnx(new Uint8Array())).rejects.toThrow("onnx.V1");
    await expect(verifyOnnx(concatenate(encodeModel(lowerToOnnx(tiny()), "1")))).rejects.toThrow(
      "another program wrote it",
    );
    const notOne = joinFields(int(fields.model.graph, 1));
    await expect(verifyOnnx(await resealed(notOne))).rejects.toThrow("found a number, expected bytes");
  });

  it("V1: refuses more fields than a network has, before they fill the memory", async () => {
    const parts = Array.from({ length: 2 ** 17 + 1 }, () => int(fields.model.irVersion, 1));
    const many = { parts, length: 2 * parts.length };
    await expect(verifyOnnx(await resealed(many))).rejects.toThrow("more than 131072 fields in one message (onnx.V1)");
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
    const initializers = lowerToOnnx(tiny()).initializers.map((each) => ({
      ...each,
      source: { ...each.source, shape: [...each.source.shape, 2] },
    }));
    await expect(verifyOnnx(await sealed({ initializers }))).rejects.toThrow(
      "conv.weight has 324 bytes, its shape needs 648 (onnx.V2)",
    );
  });

  it.each<[string, Partial<ExternalData>]>([
    ["is not the name of a file", { location: "../outside.bin" }],
    ["is not the name of a file", { location: "/etc/passwd" }],
    ["is not the name of a file", { location: ".." }],
    ["is not the name of a file", { location: "" }],
    ["are not whole numbers", { offset: -4 }],
    ["are not whole numbers", { offset: 1e300 }],
    ["is not a file beside the model", { location: "missing.bin" }],
    ["ends at byte 400, conv.weight reaches to 100324", { offset: 100_000 }],
  ])("V3: weights outside the model: %s, %o", async (message, change) => {
    const [first] = lowerToOnnx(tiny()).initializers;
    const external = { location: "weights.bin", offset: 0, length: 324, ...change };
    const path = join(await mkdtemp(join(folder, "v3-")), "model.onnx");
    await writeFile(join(path, "..", "weights.bin"), new Uint8Array(400));
    await writeFile(path, await sealed({ initializers: [{ ...first!, external }] }));
    await expect(verifyOnnx(path)).rejects.toThrow(message);
  });

  it("V3: asks for the path where bytes alone do not hold the weights", async () => {
    await expect(verifyOnnx((await toOnnx(tiny(), { external: "w.bin" })).model)).rejects.toThrow(
      "verify the model by its path",
    );
  });

  it("finds every flipped bit of the file: in the graph, the weights, the metadata and the digest", async () => {
    const { model } = await toOnnx(smallest, { metadata: { labels: "cat, dog" } });
    for (let bit = 0; bit < model.length * 8; bit++)
      await expect(verifyOnnx(flipped(model, bit >> 3, bit & 7))).rejects.toThrow(/onnx\.V[14]/);
  });

  it("finds every flipped bit of a model whose weights are apart, a missing end, and a missing file", async () => {
    const path = join(folder, "apart.onnx");
    await writeOnnx(smallest, path, { external: true });
    const beside = weightsOf(path);
    for (const file of [path, beside]) {
      const bytes = await readFile(file);
      for (let bit = 0; bit < bytes.length * 8; bit++) {
        await writeFile(file, flipped(bytes, bit >> 3, bit & 7));
        await expect(verifyOnnx(path)).rejects.toThrow(/onnx\.V[14]/);
      }
      await writeFile(file, bytes);
      await verifyOnnx(path);
    }
    await truncate(beside, 3);
    await expect(verifyOnnx(path)).rejects.toThrow("onnx.V3");
    await rm(beside);
    await mkdir(beside);
    await expect(verifyOnnx(path)).rejects.toThrow("onnx.V3");
  });

  it("stops when it is aborted", async () => {
    await expect(verifyOnnx(model, { signal: AbortSignal.abort() })).rejects.toThrow(AbortError);
  });
});
