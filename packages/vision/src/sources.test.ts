import { createReadStream } from "node:fs";
import { readFile } from "node:fs/promises";
import { pathToFileURL } from "node:url";
import { runInNewContext } from "node:vm";
import { FormatError, ResidualError, ShapeError, UnsupportedError } from "@residual/core";
import { describe, expect, it } from "vitest";
import type { Picture } from "./decode.ts";
import { decodeImage } from "./decode-node.ts";
import type { Pixels } from "./pixels.ts";
import { goldenBytes, goldenPath } from "./testing/golden.ts";
import { randomBytes } from "./testing/random.ts";

const path = goldenPath("images/jpeg444-360x270.jpg");
const bytes = goldenBytes("images/jpeg444-360x270.jpg");

describe("files, from anything that a user holds", () => {
  const foreign = runInNewContext(`new Uint8Array(${bytes.length})`) as Uint8Array;
  foreign.set(bytes);
  it.each<[string, () => Picture | Promise<Picture>]>([
    ["a file: URL", () => pathToFileURL(path)],
    ["file: text", () => pathToFileURL(path).href],
    ["a data: URL", () => `data:image/jpeg;base64,${Buffer.from(bytes).toString("base64")}`],
    ["a Blob", () => new Blob([bytes])],
    ["a File", () => new File([bytes], "cat.jpg")],
    ["a Response", () => new Response(bytes)],
    ["a Buffer", () => readFile(path)],
    ["an ArrayBuffer", () => bytes.buffer],
    ["bytes of another realm", () => foreign],
    ["an ArrayBuffer of another realm", () => foreign.buffer],
    ["a ReadableStream", () => new Blob([bytes]).stream()],
    ["a Readable", () => createReadStream(path)],
  ])("%s", async (_, make) => {
    expect(await decodeImage(await make())).toEqual(await decodeImage(path));
  });

  it("progress counts the file's bytes", async () => {
    const seen: unknown[] = [];
    await decodeImage(path, { onProgress: (progress) => seen.push(progress) });
    expect(seen.at(-1)).toEqual({ stage: "read image", done: bytes.length, total: bytes.length });
  });
});

describe("pixels that something holds", () => {
  const [width, height] = [3, 2];
  const rgba = randomBytes(24, 1);
  const data = rgba.filter((_, i) => i % 4 !== 3);
  const expected: Pixels = { width, height, data };
  const inRealm = (kind: string) => {
    const array = runInNewContext(`new ${kind}(24)`) as Uint8Array;
    array.set(rgba);
    return array;
  };
  const canvas = (context: unknown) => ({ width, height, getContext: () => context });

  it.each<[string, Picture]>([
    ["RGB", { width, height, data }],
    ["RGBA", { width, height, data: rgba }],
    ["RGBA clamped, as of ImageData", { width, height, data: new Uint8ClampedArray(rgba) }],
    ["a Buffer", { width, height, data: Buffer.from(data) }],
    ["RGBA of another realm", { width, height, data: inRealm("Uint8Array") }],
    ["clamped RGBA of another realm", { width, height, data: inRealm("Uint8ClampedArray") }],
    ["a canvas", canvas({ getImageData: () => ({ width, height, data: rgba }) })],
  ])("%s", async (_, source) => {
    const pixels = await decodeImage(source);
    expect(pixels).toEqual(expected);
    expect(pixels.data).toBeInstanceOf(Uint8Array);
  });

  it.each<[string, unknown, string]>([
    ["too few bytes", { width, height, data: new Uint8Array(17) }, "3 x 2 x 3 bytes expected, found 17"],
    ["a side of 0", { width: 0, height, data: new Uint8Array() }, "sides of 0 x 2"],
    ["a side that is no number", { width: "3", height: Number.NaN, data }, "sides of 3 x NaN"],
    ["floats", { width, height, data: new Float32Array(18) }, "data is a Float32Array, expected a Uint8Array"],
    ["an array", { width, height, data: [...data] }, "data is an array of 18 elements"],
    ["a view without numbers", { width, height, data: new DataView(data.buffer) }, "data is a DataView"],
    ["nothing", { width, height, data: null }, "data is null"],
  ])("refuses %s", async (_, source, words) => {
    const error = await decodeImage(source as Picture).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(ShapeError);
    expect((error as ShapeError).message).toContain(words);
  });

  it("refuses a canvas without a 2D context, and one that other origins have tainted", async () => {
    await expect(decodeImage(canvas(null))).rejects.toThrow(UnsupportedError);
    const tainted = canvas({
      getImageData: () => {
        throw new Error("The canvas has been tainted by cross-origin data.");
      },
    });
    await expect(decodeImage(tainted)).rejects.toThrow("the canvas does not give its pixels (The canvas has been");
  });
});

describe("whatever is put in, an error is ours and short", () => {
  const long = "x".repeat(1e6);
  it.each<[string, unknown]>([
    ["null", null],
    ["undefined", undefined],
    ["a number", 42],
    ["a function", () => bytes],
    ["a Promise", Promise.resolve(bytes)],
    ["an array of numbers", [...bytes]],
    ["an array of text", Array(1e5).fill(long.slice(0, 10))],
    ["an object with long names", { [long]: long }],
    ["a long path", long],
    ["a long address", `http://127.0.0.1:1/${long}`],
    ["a long data: URL", `data:image/png;base64,${"AAAA".repeat(1e5)}`],
    ["a long text of bytes", new TextEncoder().encode(long)],
    ["a File with a long name", new File([long], long)],
    ["text of another realm", runInNewContext("new Uint8Array(1e6).fill(65)")],
    ["floats", Float32Array.from(bytes)],
    ["an object without a prototype", Object.create(null)],
  ])("%s", async (_, source) => {
    const error = await decodeImage(source as Picture).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(ResidualError);
    expect((error as Error).message.length).toBeLessThan(1000);
  });

  it("and names the file", async () => {
    const error = await decodeImage(new File(["hello"], "cat.png")).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(FormatError);
    expect((error as Error).message).toMatch(/^cat.png: found text that begins "hello"/);
  });
});
