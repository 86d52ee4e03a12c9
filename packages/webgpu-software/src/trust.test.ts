import { chmodSync, chownSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { isPrivate, sha256 } from "./trust.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "residual-")); // in a sticky folder that all can write to
  mkdirSync(join(folder, "cache"), { mode: 0o755 });
  writeFileSync(join(folder, "cache/code.node"), "abc", { mode: 0o644 });
});
afterEach(() => rmSync(folder, { recursive: true }));

const file = () => join(folder, "cache/code.node");

it("the digest is SHA-256's", async () => {
  // FIPS 180-2, appendix B.1
  expect(await sha256(file())).toBe("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
});

describe("a file is private", () => {
  it("where only its owner can write to it and to the folders above", async () => {
    expect(await isPrivate(file())).toBe(true);
    expect(await isPrivate(join(folder, "cache"))).toBe(true);
  });

  it("not where others can write to it, or to a folder above", async () => {
    chmodSync(file(), 0o646);
    expect(await isPrivate(file())).toBe(false);
    chmodSync(file(), 0o644);
    chmodSync(folder, 0o777);
    expect(await isPrivate(file())).toBe(false);
    chmodSync(folder, 0o1777); // sticky: they cannot rename what is in it
    expect(await isPrivate(file())).toBe(true);
    expect(await isPrivate(folder)).toBe(false); // but put more into it
  });

  it("not by a link, where that leads elsewhere", async () => {
    mkdirSync(join(folder, "open"));
    chmodSync(join(folder, "open"), 0o777);
    writeFileSync(join(folder, "open/code.node"), "");
    symlinkSync(join(folder, "open/code.node"), join(folder, "link.node"));
    expect(await isPrivate(join(folder, "link.node"))).toBe(false);
  });

  it.runIf(process.getuid?.() === 0)("not where it, or a folder above, is another user's", async () => {
    chownSync(file(), 12_345, 12_345);
    expect(await isPrivate(file())).toBe(false);
    chownSync(file(), 0, 0);
    chownSync(folder, 12_345, 12_345);
    expect(await isPrivate(file())).toBe(false);
  });

  it.runIf(process.getuid?.() === 0)(
    "where its group is another than the user's own, and can write, it is not",
    async () => {
      chmodSync(file(), 0o664);
      expect(await isPrivate(file())).toBe(true); // of a group of the same number
      chownSync(file(), 0, 12_345);
      expect(await isPrivate(file())).toBe(false);
    },
  );
});
