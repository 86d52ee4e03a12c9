import { mkdir, mkdtemp, readdir, readFile, readlink, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { FormatError } from "@residual/core";
import { afterEach, beforeEach, expect, it } from "vitest";
import { writeFolderAtomic } from "./atomic-folder.ts";

let parent: string;
beforeEach(async () => {
  parent = await mkdtemp(join(tmpdir(), "residual-test-"));
});
afterEach(() => rm(parent, { recursive: true }));

const target = () => join(parent, "target");
const fillWith = (text: string) => async (folder: string) => {
  await writeFile(join(folder, text), text);
  return text;
};
const textsIn = async (folder: string) =>
  Promise.all((await readdir(folder)).map((name) => readFile(join(folder, name), "utf8")));

it("makes a folder, and hands on what was found out on the way", async () => {
  expect(await writeFolderAtomic(target(), fillWith("new"))).toBe("new");
  expect(await textsIn(target())).toEqual(["new"]);
  expect(await readdir(parent)).toEqual(["target"]);
});

it("replaces all that the old folder held", async () => {
  await mkdir(target());
  await writeFile(join(target(), "old"), "old");
  await writeFolderAtomic(target(), fillWith("new"));
  expect(await textsIn(target())).toEqual(["new"]);
  expect(await readdir(parent)).toEqual(["target"]);
});

it("with keep leaves a folder that is there already", async () => {
  await writeFolderAtomic(target(), fillWith("first"), "keep");
  await writeFolderAtomic(target(), fillWith("second"), "keep");
  expect(await textsIn(target())).toEqual(["first"]);
  expect(await readdir(parent)).toEqual(["target"]);
});

it("of many at a time with keep the first one stays, whole", async () => {
  const names = Array.from({ length: 10 }, (_, i) => `${i}`);
  await Promise.all(names.map((name) => writeFolderAtomic(target(), fillWith(name), "keep")));
  expect(await readdir(target())).toHaveLength(1);
  expect(await readdir(parent)).toEqual(["target"]);
});

it.each(["replace", "keep"] as const)(
  "a symbolic link to a folder stays, and %s applies to the folder",
  async (ifTaken) => {
    await mkdir(join(parent, "elsewhere"));
    await writeFile(join(parent, "elsewhere", "old"), "old");
    await symlink("elsewhere", target());
    await writeFolderAtomic(target(), fillWith("new"), ifTaken);
    expect(await readlink(target())).toBe("elsewhere");
    expect(await textsIn(join(parent, "elsewhere"))).toEqual([ifTaken === "keep" ? "old" : "new"]);
    expect((await readdir(parent)).toSorted()).toEqual(["elsewhere", "target"]);
  },
);

it.each([
  ["leads nowhere", "missing"],
  ["leads to itself", "target"],
])("refuses a symbolic link that %s, which stays", async (_, to) => {
  await symlink(to, target());
  const refused = new FormatError(
    `${target()}: found a symbolic link that leads to no folder; remove it, or make that folder`,
  );
  await expect(writeFolderAtomic(target(), fillWith("new"))).rejects.toThrow(refused);
  expect(await readdir(parent)).toEqual(["target"]);
  expect(await readlink(target())).toBe(to);
});

it.each([false, true])("refuses a file in the folder's place, behind a link: %s", async (isLink) => {
  const file = isLink ? join(parent, "file") : target();
  await writeFile(file, "old");
  if (isLink) await symlink("file", target());
  await expect(writeFolderAtomic(target(), fillWith("new"))).rejects.toThrow(
    new FormatError(`${target()}: found a file, expected a path for a folder`),
  );
  expect(await readFile(target(), "utf8")).toBe("old");
});

it("where it cannot be filled the old folder stays", async () => {
  await writeFolderAtomic(target(), fillWith("old"));
  const fill = () => Promise.reject(new TypeError("no"));
  await expect(writeFolderAtomic(target(), fill)).rejects.toThrow(TypeError);
  expect(await textsIn(target())).toEqual(["old"]);
  expect(await readdir(parent)).toEqual(["target"]);
});

it("says what the file system refuses", async () => {
  const path = join(parent, "missing", "target");
  await expect(writeFolderAtomic(path, fillWith("x"))).rejects.toThrow(FormatError);
  await expect(writeFolderAtomic(path, fillWith("x"))).rejects.toThrow(
    `${path}: it cannot be written (ENOENT: no such file or directory); check the path and the space left`,
  );
});

it("names the path that was asked for, and not the folder that is filled", async () => {
  const fill = (part: string) => writeFile(join(part, "missing", "file"), "x");
  await expect(writeFolderAtomic(target(), fill)).rejects.toThrow(
    new FormatError(
      `${target()}: it cannot be written (ENOENT: no such file or directory); check the path and the space left`,
    ),
  );
});
