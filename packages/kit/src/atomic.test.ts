import { chmod, lstat, mkdtemp, readdir, readFile, readlink, rm, stat, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { AbortError, FormatError, type Progress } from "@residual/core";
import { afterEach, beforeEach, expect, it } from "vitest";
import { checkPlace, writeAtomic } from "./atomic.ts";
import { runUntilItSpeaks } from "./testing/child.ts";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "residual-test-"));
});
afterEach(() => rm(folder, { recursive: true }));

const inFolder = (name: string) => join(folder, name);
const bytes = (text: string) => new TextEncoder().encode(text);

it("writes the pieces of several files, and leaves nothing else", async () => {
  await writeAtomic([
    { path: inFolder("a"), pieces: [bytes("one, "), bytes("two")] },
    { path: inFolder("b"), pieces: [] },
  ]);
  expect([await readFile(inFolder("a"), "utf8"), await readFile(inFolder("b"), "utf8")]).toEqual(["one, two", ""]);
  expect((await readdir(folder)).sort()).toEqual(["a", "b"]);
});

it("counts the bytes of all files as progress", async () => {
  const seen: Progress[] = [];
  const pieces = [bytes("1234"), bytes("56")];
  const onProgress = (progress: Progress) => seen.push(progress);
  await writeAtomic([{ path: inFolder("a"), pieces }], { onProgress, stage: "write weights" });
  expect(seen).toEqual([
    { stage: "write weights", done: 4, total: 6 },
    { stage: "write weights", done: 6, total: 6 },
  ]);
});

it("keeps the permissions of a file that it replaces", async () => {
  await writeFile(inFolder("secret"), "old");
  await chmod(inFolder("secret"), 0o600);
  await writeAtomic([{ path: inFolder("secret"), pieces: [bytes("new")] }]);
  expect((await stat(inFolder("secret"))).mode & 0o777).toBe(0o600);
  expect(await readFile(inFolder("secret"), "utf8")).toBe("new");
});

it("writes through a symbolic link, which stays one", async () => {
  await writeFile(inFolder("file"), "old");
  await symlink("file", inFolder("link"));
  await writeAtomic([{ path: inFolder("link"), pieces: [bytes("new")] }]);
  expect((await lstat(inFolder("link"))).isSymbolicLink()).toBe(true);
  expect(await readFile(inFolder("file"), "utf8")).toBe("new");
});

it.each([
  ["leads nowhere", "missing"],
  ["leads nowhere, in a folder that is not there", "missing/file"],
  ["leads to itself", "link"],
])("refuses a symbolic link that %s, which stays", async (_, to) => {
  await symlink(to, inFolder("link"));
  const message = `${inFolder("link")}: found a symbolic link that leads to no file`;
  await expect(writeAtomic([{ path: inFolder("link"), pieces: [bytes("new")] }])).rejects.toThrow(message);
  await expect(checkPlace(inFolder("link"))).rejects.toThrow(message);
  expect(await readlink(inFolder("link"))).toBe(to);
  expect(await readdir(folder)).toEqual(["link"]);
});

it("an abort leaves the old file, and nothing half written", async () => {
  await writeFile(inFolder("a"), "old");
  const controller = new AbortController();
  const options = { signal: controller.signal, onProgress: () => controller.abort() };
  const pieces = [bytes("new"), bytes("er")];
  await expect(writeAtomic([{ path: inFolder("a"), pieces }], options)).rejects.toThrow(AbortError);
  expect(await readFile(inFolder("a"), "utf8")).toBe("old");
  expect(await readdir(folder)).toEqual(["a"]);
});

it("many writers at a time leave one whole text", async () => {
  const texts = Array.from({ length: 20 }, (_, i) => String(i % 10).repeat(100_000));
  await Promise.all(texts.map((text) => writeAtomic([{ path: inFolder("a"), pieces: [bytes(text)] }])));
  expect(texts).toContain(await readFile(inFolder("a"), "utf8"));
  expect(await readdir(folder)).toEqual(["a"]);
});

it("where a later file cannot be written no file changes", async () => {
  await writeFile(inFolder("a"), "old");
  const files = [
    { path: inFolder("a"), pieces: [bytes("new")] },
    { path: inFolder("missing/b"), pieces: [bytes("new")] },
  ];
  await expect(writeAtomic(files)).rejects.toThrow(FormatError);
  await expect(writeAtomic(files)).rejects.toThrow(/missing\/b: it cannot be written \(ENOENT.*\); check the path/);
  expect(await readFile(inFolder("a"), "utf8")).toBe("old");
  expect(await readdir(folder)).toEqual(["a"]);
});

it.each([
  ["a directory", () => folder],
  ["a device or a pipe", () => "/dev/null"],
])("refuses %s in the file's place", async (what, path) => {
  await expect(writeAtomic([{ path: path(), pieces: [bytes("x")] }])).rejects.toThrow(`${path()}: found ${what}`);
  await expect(checkPlace(path())).rejects.toThrow(`${path()}: found ${what}`);
});

it.each(["", "models/"])("refuses %o, which names no file", async (path) => {
  await expect(writeAtomic([{ path, pieces: [bytes("x")] }])).rejects.toThrow(FormatError);
  await expect(checkPlace(path)).rejects.toThrow(`found ${JSON.stringify(path)} as the path of a file`);
});

it("gives a new file the permissions that it is told", async () => {
  await writeAtomic([{ path: inFolder("new"), pieces: [bytes("x")], mode: 0o600 }]);
  expect((await stat(inFolder("new"))).mode & 0o777).toBe(0o600);
});

it("checkPlace names the folder that is missing, and passes a place that is free", async () => {
  await expect(checkPlace(inFolder("missing/b"))).rejects.toThrow(`there is no folder ${inFolder("missing")}`);
  await checkPlace(inFolder("b"));
});

it("a process that exits in mid write leaves nothing behind", async () => {
  const code = `
    import { writeAtomic } from "./atomic.ts";
    const onProgress = () => { console.log("writing"); process.exit(); };
    await writeAtomic([{ path: ${JSON.stringify(inFolder("a"))}, pieces: [Buffer.alloc(9)] }], { onProgress });`;
  expect(await runUntilItSpeaks(import.meta.url, code)).toBe("writing");
  expect(await readdir(folder)).toEqual([]);
});

it("what a killed process has left half written goes with the next write into the folder", async () => {
  const code = `
    import { writeAtomic } from "./atomic.ts";
    const pieces = [Buffer.alloc(9), { length: 9, async *chunks() { console.log("writing"); await new Promise((then) => setTimeout(then, 1e6)); } }];
    await writeAtomic([{ path: ${JSON.stringify(inFolder("a"))}, pieces }]);`;
  await runUntilItSpeaks(import.meta.url, code, { kill: true });
  expect(await readdir(folder)).toHaveLength(1);
  await writeAtomic([{ path: inFolder("b"), pieces: [bytes("new")] }]);
  expect(await readdir(folder)).toEqual(["b"]);
});
