import { mkdir, readdir, writeFile } from "node:fs/promises";
import { FormatError } from "@residual/core";
import { expect, it } from "vitest";
import { temporaryFolder } from "../testing/folder.ts";
import { fileCache } from "./file-cache.ts";

const folder = temporaryFolder();

it("keeps a text for each key, and knows nothing of others", async () => {
  const cache = fileCache(folder.in("deep/down"));
  expect(await cache.read("a")).toBeUndefined();
  await cache.write("a", "first");
  await cache.write("b", "other");
  await cache.write("a", "second");
  expect([await cache.read("a"), await cache.read("b"), await cache.read("c")]).toEqual(["second", "other", undefined]);
  expect((await readdir(folder.in("deep/down"))).sort(), "no half written file is left").toEqual(["a.json", "b.json"]);
});

it("many at a time leave one whole text", async () => {
  const cache = fileCache(folder.in("busy"));
  const texts = Array.from({ length: 20 }, (_, i) => String(i).repeat(100_000));
  await Promise.all(texts.map((text) => cache.write("a", text)));
  expect(texts).toContain(await cache.read("a"));
  expect(await readdir(folder.in("busy"))).toEqual(["a.json"]);
});

it("stays inside of its folder, whatever the key", async () => {
  const cache = fileCache(folder.in("inside"));
  await cache.write("../../outside/x", "text");
  expect(await readdir(folder.in("inside"))).toHaveLength(1);
  expect(await cache.read("../../outside/x")).toBe("text");
});

it("says what the disk says where it cannot write", async () => {
  await mkdir(folder.in("taken"), { recursive: true });
  await writeFile(folder.in("taken/file"), "");
  const writing = fileCache(folder.in("taken/file/below")).write("a", "text");
  await expect(writing).rejects.toThrow(FormatError);
  await expect(writing).rejects.toThrow(/cannot be made \((ENOTDIR|EEXIST).*; set XDG_CACHE_HOME to a folder/);
});
