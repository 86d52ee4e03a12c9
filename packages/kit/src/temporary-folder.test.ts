import { existsSync } from "node:fs";
import { mkdtemp, readdir, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it, vi } from "vitest";
import { temporaryFolder } from "./temporary-folder.ts";
import { runUntilItSpeaks } from "./testing/child.ts";

/** A temporary folder for this test alone, without leftovers of other processes. */
let system: string;
beforeAll(async () => {
  system = await mkdtemp(join(tmpdir(), "residual-test-"));
  vi.stubEnv("TMPDIR", system);
});
afterAll(async () => {
  vi.unstubAllEnvs();
  await rm(system, { recursive: true });
});

const inChild = (rest: string, options: { kill?: boolean }) =>
  runUntilItSpeaks(
    import.meta.url,
    `import { temporaryFolder } from "./temporary-folder.ts";
    const { path } = await temporaryFolder("test");
    console.log(path); ${rest}`,
    { env: { TMPDIR: system }, ...options },
  );

it("is the user's alone, and gone with all it holds once disposed", async () => {
  const folder = await temporaryFolder("test");
  expect((await stat(folder.path)).mode & 0o777).toBe(0o700);
  await writeFile(join(folder.path, "weights"), "1");
  await folder[Symbol.asyncDispose]();
  expect(await readdir(system)).toEqual([]);
});

it("goes with a process that exits", async () => {
  const path = await inChild("process.exit();", {});
  expect(path.startsWith(system)).toBe(true);
  expect(existsSync(path)).toBe(false);
});

it("of a process that was killed goes when the next one starts, whatever for", async () => {
  const left = await inChild("setInterval(() => {}, 1000);", { kill: true });
  expect(existsSync(left)).toBe(true);
  await using next = await temporaryFolder("other");
  expect([left, next.path].map((path) => existsSync(path))).toEqual([false, true]);
});

it("of a process that lives stays", async () => {
  await using first = await temporaryFolder("test");
  await using second = await temporaryFolder("test");
  expect([first.path, second.path].map((path) => existsSync(path))).toEqual([true, true]);
});
