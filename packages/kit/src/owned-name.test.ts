import { chown, mkdir, mkdtemp, readdir, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { ownedName, removeAbandoned } from "./owned-name.ts";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "residual-test-"));
});
afterEach(() => rm(folder, { recursive: true }));

/** A name of this process, with other fields. */
function nameOf(change: { pid?: string; start?: string; boot?: string; place?: string }): string {
  const [head, owner, random] = /^(.*-)(\d+\.\d+\.\w+\.\w+)(-\w+)$/.exec(ownedName("test"))!.slice(1);
  const [pid, start, boot, place] = owner!.split(".");
  return `${head}${Object.values({ pid, start, boot, place, ...change }).join(".")}${random}`;
}

const NOBODY = String(2 ** 31 - 2); // larger than any process id of Linux

async function isRemoved(name: string): Promise<boolean> {
  await mkdir(join(folder, name));
  await removeAbandoned(folder);
  return !(await readdir(folder)).includes(name);
}

it("names are random, and tell their process", () => {
  const names = Array.from({ length: 100 }, () => ownedName("test"));
  expect(new Set(names).size).toBe(100);
  for (const name of names) expect(name).toMatch(new RegExp(`^residual-test-${process.pid}\\.`));
});

describe.skipIf(process.platform !== "linux")("removeAbandoned", () => {
  it("removes folders and files of a process that is over", async () => {
    expect(await isRemoved(nameOf({ pid: NOBODY }))).toBe(true);
    await writeFile(join(folder, nameOf({ pid: NOBODY })), "half");
    await removeAbandoned(folder);
    expect(await readdir(folder)).toEqual([]);
  });

  it("knows a process from another that has its number by now, and from one before the machine started", async () => {
    expect(await isRemoved(nameOf({}))).toBe(false);
    expect(await isRemoved(nameOf({ start: "1" }))).toBe(true);
    expect(await isRemoved(nameOf({ boot: "00000000" }))).toBe(true);
  });

  it.each([
    ["of another machine or container", nameOf({ pid: NOBODY, place: "00000000" })],
    ["without a process", "residual-test-abcdef"],
    ["of something else", "systemd-private-1.2.0a1b2c3d.0a1b2c3d-x"],
  ])("leaves names %s", async (_, name) => {
    expect(await isRemoved(name)).toBe(false);
  });

  it("leaves links, and what they lead to", async () => {
    await mkdir(join(folder, "target"));
    await writeFile(join(folder, "target", "file"), "");
    await symlink("target", join(folder, nameOf({ pid: NOBODY })));
    await removeAbandoned(folder);
    expect(await readdir(folder)).toHaveLength(2);
    expect(await readdir(join(folder, "target"))).toEqual(["file"]);
  });

  it.skipIf(process.getuid?.() !== 0)("leaves what belongs to another user", async () => {
    const name = nameOf({ pid: NOBODY });
    await mkdir(join(folder, name));
    await chown(join(folder, name), 12345, 12345);
    expect(await isRemoved(nameOf({ pid: NOBODY }))).toBe(true);
    expect(await readdir(folder)).toEqual([name]);
  });

  it("does nothing where there is no folder", async () => {
    await removeAbandoned(join(folder, "missing"));
  });
});
