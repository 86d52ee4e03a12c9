import { readFileSync } from "node:fs";
import { inflateRawSync } from "node:zlib";
import { expect, it } from "vitest";
import { codecModule, codecPath, codecs } from "./codecs.ts";

// versions of zlib pack differently, so what they pack is compared
it.each(Object.entries(codecs))("packages/vision/codecs/%s.js is its package's program", async (name, codec) => {
  const [written, made] = [readFileSync(codecPath(name), "utf8"), await codecModule(codec)].map((text) => {
    const packed = /packed: "([^"]*)"/.exec(text)![1]!;
    return { text: text.replace(packed, ""), wasm: inflateRawSync(Buffer.from(packed, "base64")) };
  });
  expect(written!.text).toBe(made!.text);
  expect(written!.wasm.equals(made!.wasm)).toBe(true);
});

it.each(Object.keys(codecs))("packages/vision/codecs/%s.js imports nothing, and runs no text as code", (name) => {
  const text = readFileSync(codecPath(name), "utf8");
  expect(text).not.toMatch(/\bimport\b|\brequire\(|\bnew Function\b|\beval\(|\bprocess\b|\bimport\.meta\b/);
});
