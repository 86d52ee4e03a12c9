import { existsSync } from "node:fs";
import { mkdtemp, rm, stat, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { makeFolder } from "./make-folder.ts";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "residual-"));
});
afterAll(() => rm(folder, { recursive: true }));

it("makes a folder and those around it, once or twice, by many at a time", async () => {
  const path = join(folder, "a/b/c");
  await Promise.all(Array.from({ length: 5 }, () => makeFolder(path, 0o700)));
  await makeFolder(path);
  expect((await stat(path)).isDirectory()).toBe(true);
  expect((await stat(join(folder, "a"))).mode & 0o777).toBe(0o700);
});

it("takes a link to a folder for one", async () => {
  await symlink(folder, join(folder, "link"));
  await makeFolder(join(folder, "link"));
  await makeFolder(join(folder, "link/d"));
  expect((await stat(join(folder, "d"))).isDirectory()).toBe(true);
});

it("refuses what a file is in the way of", async () => {
  await writeFile(join(folder, "file"), "");
  await expect(makeFolder(join(folder, "file"))).rejects.toThrow(/^EEXIST.*file'$/);
  await expect(makeFolder(join(folder, "file/e"))).rejects.toThrow(/^ENOTDIR.*file\/e'$/);
});

it.skipIf(!existsSync("/proc/self"))(
  "ends where the file system makes no folders and says that one is missing",
  async () => {
    await expect(makeFolder("/proc/residual/cache")).rejects.toThrow(/^ENOENT.*\/proc\/residual'$/);
  },
);
