import { execFileSync } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { FormatError, UnsupportedError } from "@residual/core";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { readWeights } from "./read-weights.ts";
import { fileOf } from "./testing/bytes.ts";
import { sharedPath } from "./testing/shared.ts";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "residual-format-"));
});
afterAll(() => rm(folder, { recursive: true }));

/** The start of a zip file whose first member has the given name. Source: APPNOTE.TXT 4.3.7. */
function zip(member: string): Buffer {
  const head = Buffer.alloc(30);
  head.writeUInt32LE(0x04034b50);
  head.writeUInt16LE(member.length, 26);
  return Buffer.concat([head, Buffer.from(member), Buffer.alloc(100, 7)]);
}

const lfs = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a2146\nsize 46830571\n";
const page = "\n<!DOCTYPE html>\n<html><head><title>\n Page not\u0007 found</title></head></html>";

const others: readonly [
  what: string,
  bytes: string | Uint8Array,
  kind: typeof FormatError | typeof UnsupportedError,
  message: RegExp,
][] = [
  ["nothing", "", FormatError, /found an empty file, .*; download or save it again/],
  ["a page", page, FormatError, /found an HTML page \("Page not\\u0007 found"\), .*; the download gave a page/],
  ["a page without a title", "<html>no", FormatError, /found an HTML page, /],
  ["XML", '<?xml version="1.0"?><Error><Code>NoSuchKey</Code></Error>', FormatError, /found XML, /],
  ["a pointer of Git LFS", lfs, FormatError, /found a pointer of Git LFS, .*; fetch the file: git lfs pull/],
  ["text", "Entry not found", FormatError, /found text that begins "Entry not found", /],
  [
    "text of several lines",
    "\n   Apache License\n\t  Version 2.0, January 2004\n",
    FormatError,
    /found text that begins "Apache License Version 2\.0, January 2004", /,
  ],
  ["JSON of several lines", '[\n  "a",\r\n  1\n]', FormatError, /found JSON that begins "\[ \\"a\\", 1 \]", /],
  ["text of another alphabet", "残差".repeat(3000), FormatError, /found text that begins "残差/],
  ["an error as JSON", '{"error":"Repository not found"}', FormatError, /found JSON that begins "\{/],
  ["a configuration", '{"model_type": "resnet"}', FormatError, /found a model's configuration \(JSON\), .* beside it/],
  [
    "TensorFlow.js",
    '{"format": "layers-model", "modelTopology": {}}',
    FormatError,
    /found no weightsManifest, .* damaged/,
  ],
  ["a packed file", gzipSync("weights"), FormatError, /found a file packed by gzip, .*; unpack it first/],
  ["TorchScript", zip("jit/data/0"), FormatError, /the PyTorch file is damaged/],
  ["a zip archive", zip("weights/a.safetensors"), FormatError, /found a zip archive, .*; unpack it first/],
  [
    "a program of torch.export since PyTorch 2.7",
    zip("r18/data/weights/weight_0"),
    FormatError,
    /found a program of torch\.export \(\.pt2\), .*; save its state_dict: /,
  ],
  [
    "a program of torch.export before PyTorch 2.7",
    zip("serialized_exported_program.json"),
    FormatError,
    /found a program of torch\.export/,
  ],
  [
    "a cut PyTorch file",
    zip("archive/data.pkl"),
    FormatError,
    /its zip has no end: the file is cut off.*; the PyTorch file is damaged/,
  ],
  [
    "a pickle",
    Uint8Array.of(0x80, 2, 0x8a, 10, 0x6c),
    FormatError,
    /found a pickle, .*; save the tensors with torch\.save/,
  ],
  ["a cut array of NumPy", Buffer.from("\x93NUMPY\x01\0\x76\0{", "latin1"), FormatError, /the \.npy file is damaged/],
  ["a cut archive of NumPy", zip("conv1.weight.npy"), FormatError, /its zip has no end: .*; the \.npz file is damaged/],
  ["a cut file of Keras 3", zip("metadata.json"), FormatError, /its zip has no end: .*; the \.keras file is damaged/],
  ["a cut HDF5 file", Buffer.from("\x89HDF\r\n\x1a\n\0\0", "latin1"), FormatError, /the HDF5 file is damaged/],
  [
    "a cut ONNX model",
    Buffer.from("\x08\x07\x12\x07pytorch\x1a\x052.0.0", "latin1"),
    FormatError,
    /found 0 graphs, expected one; the ONNX file is damaged/,
  ],
  [
    "a SavedModel",
    Uint8Array.of(8, 1, 0x12, 0xe3, 0x85, 1, 10, 0, 18, 7),
    FormatError,
    /found a SavedModel of TensorFlow, .*; convert it: python -m tf2onnx/,
  ],
  ["an empty archive", Buffer.from("PK\x05\x06".padEnd(22, "\0"), "latin1"), FormatError, /found an empty zip archive/],
  ["PowerShell's text", Buffer.from("\ufeff{}", "utf16le"), FormatError, /found text in UTF-16/],
  ["a picture", Buffer.from("\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "latin1"), FormatError, /found a picture \(PNG\), /],
  ["zeros", new Uint8Array(5000), FormatError, /found zeros, .*; the download did not finish/],
  ["unknown bytes", Uint8Array.of(1, 2, 3, 0, 200, 5, 6, 7, 8, 9), FormatError, /its header claims \d+ bytes/],
  ["a few bytes", Uint8Array.of(1, 0, 3), FormatError, /found 3 bytes, expected at least 8/],
];

describe("what another file is, by its bytes and not by its name", () => {
  it.each(others)("%s", async (_, bytes, kind, message) => {
    const file = join(folder, "weights.safetensors");
    await writeFile(file, bytes);
    for (const source of [file, new Blob([new Uint8Array(await readFile(file))])]) {
      const reading = readWeights(source);
      await expect(reading).rejects.toThrow(kind);
      await expect(reading).rejects.toThrow(message);
      await expect(reading).rejects.toThrow(/^[\x20-\uffff]{0,700}$/);
    }
  });

  it("safetensors are read under any name", async () => {
    const file = join(folder, "weights.pth");
    await writeFile(file, fileOf("{}", new Uint8Array()));
    expect((await readWeights(file)).tensors.size).toBe(0);
  });

  it("a tar archive", async () => {
    await writeFile(join(folder, "a.txt"), "text");
    execFileSync("tar", ["cf", join(folder, "a.tar"), "-C", folder, "a.txt"]);
    await expect(readWeights(join(folder, "a.tar"))).rejects.toThrow("found a file packed by tar");
  });

  const real = sharedPath("data/weights");
  it.skipIf(!real)("published files of other formats", async () => {
    const read = (file: string) => readWeights(join(real!, file));
    await expect(read("mlperf-tiny-resnet8/pretrainedResnet.tflite")).rejects.toThrow("found a TensorFlow Lite model");
  });
});

it("any bytes are a typed error, and never a header of exabytes where they are text", () =>
  fc.assert(
    fc.asyncProperty(
      fc.oneof(
        fc.string({ unit: "grapheme" }).map((text) => Buffer.from(text)),
        fc.uint8Array({ maxLength: 100 }),
      ),
      async (bytes) => {
        const error = await readWeights(new Uint8Array(bytes)).catch((thrown: unknown) => thrown);
        expect([FormatError, UnsupportedError].some((kind) => error instanceof kind)).toBe(true);
        const { message } = error as Error;
        expect(message.length).toBeLessThan(1000);
        if (!bytes.includes(0) && bytes.length > 8 && Buffer.from(bytes.toString(), "utf8").equals(bytes))
          expect(message).not.toContain("its header claims");
      },
    ),
  ));
