import { FormatError } from "@residual/core";
import { describe, expect, it } from "vitest";
import { layOutZip, type ZipMember } from "./write-zip.ts";
import { offsetOf, type ReadRange, readDirectory } from "./zip-directory.ts";

const refuse = (message: string): never => {
  throw new FormatError(message);
};

/** A zip without the members' bytes: zeros are read in their place. */
function sparse(members: readonly ZipMember[], comment: string): { readonly size: number; readonly read: ReadRange } {
  const { heads, end } = layOutZip(members, comment);
  let at = 0;
  const records = heads.map((bytes, i) => {
    const begin = at;
    at += bytes.length + members[i]!.size;
    return { begin, bytes };
  });
  records.push({ begin: at, bytes: end });
  const read: ReadRange = async (offset, size) => {
    const found = new Uint8Array(size);
    for (const { begin, bytes } of records) {
      const from = Math.max(begin, offset);
      const part = bytes.subarray(from - begin, Math.max(0, offset + size - begin));
      if (part.length > 0) found.set(part, from - offset);
    }
    return found;
  };
  return { size: at + end.length, read };
}

describe("a zip", () => {
  it.each<[string, readonly number[]]>([
    ["of small members", [0, 1, 63, 64, 65]],
    ["with a member of 4 GiB", [10, 2 ** 32 - 1, 10]],
    ["with members behind 4 GiB", [2 ** 31, 2 ** 31, 2 ** 31, 5]],
    ["of 70,000 members", Array(70_000).fill(1)],
  ])("%s is read again, each member at a multiple of 64 bytes", async (_, sizes) => {
    const members = sizes.map((size, i) => ({ name: `n${i}`, size, crc: i * 7 }));
    const { size, read } = sparse(members, "{}");
    const found = await readDirectory(size, read, refuse);
    expect(found.comment).toBe("{}");
    const lines = found.members.map(({ name, size, crc, isStored }) => `${name} ${size} ${crc} ${isStored}`);
    expect(lines.join("\n")).toBe(members.map(({ name, size, crc }) => `${name} ${size} ${crc} true`).join("\n"));
    for (const member of found.members.slice(0, 10)) expect((await offsetOf(member, read, refuse)) % 64).toBe(0);
  });
});
