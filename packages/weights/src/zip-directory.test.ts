import { FormatError } from "@residual/core";
import { describe, expect, it } from "vitest";
import { type Member, offsetOf, type ReadRange, readDirectory } from "./zip-directory.ts";

/**
 * Made with zipfile of Python 3.11.7. ZIP64_LIMIT and ZIP_FILECOUNT_LIMIT were set to 0, so that all values are in
 * fields of zip64. a/data.pkl holds "hello", a/data/0 "world!".
 */
const zip64 = Buffer.from(
  "UEsDBC0AAAAAAAAAIQCGphA2//////////8KABQAYS9kYXRhLnBrbAEAEAAFAAAAAAAAAAUAAAAAAAAAaGVsbG9QSwMELQAAAAAAAAAhAOiYhHH//////////wgAFABhL2RhdGEvMAEAEAAGAAAAAAAAAAYAAAAAAAAAd29ybGQhUEsBAi0DLQAAAAAAAAAhAIamEDb//////////woAFAAAAAAAAAAAAIABAAAAAGEvZGF0YS5wa2wBABAABQAAAAAAAAAFAAAAAAAAAFBLAQItAy0AAAAAAAAAIQDomIRx//////////8IABwAAAAAAAAAAACAAf////9hL2RhdGEvMAEAGAAGAAAAAAAAAAYAAAAAAAAAQQAAAAAAAABQSwYGLAAAAAAAAAAtAC0AAAAAAAAAAAACAAAAAAAAAAIAAAAAAAAAngAAAAAAAACBAAAAAAAAAFBLBgcAAAAAHwEAAAAAAAABAAAAUEsFBgAAAAACAAIAngAAAIEAAAAAAA==",
  "base64",
);

const refuse = (message: string): never => {
  throw new FormatError(message);
};

function readerOf(bytes: Uint8Array): ReadRange {
  return async (offset, size) =>
    offset >= 0 && offset + size <= bytes.length ? bytes.subarray(offset, offset + size) : refuse("beyond the file");
}

const directoryOf = async (bytes: Uint8Array): Promise<readonly Member[]> =>
  (await readDirectory(bytes.length, readerOf(bytes), refuse)).members;

describe("zip64", () => {
  it("gives names, sizes and places", async () => {
    const members = await directoryOf(zip64);
    expect(members.map(({ name, size, isStored }) => [name, size, isStored])).toEqual([
      ["a/data.pkl", 5, true],
      ["a/data/0", 6, true],
    ]);
    const texts = members.map(async (member) => {
      const offset = await offsetOf(member, readerOf(zip64), refuse);
      return zip64.toString("utf8", offset, offset + member.size);
    });
    expect(await Promise.all(texts)).toEqual(["hello", "world!"]);
  });

  it("is refused by a typed error wherever it is cut off", async () => {
    for (let length = 0; length < zip64.length; length++)
      await expect(directoryOf(zip64.subarray(0, length))).rejects.toThrow(FormatError);
  });

  it("is read or refused by a typed error whichever byte is damaged", async () => {
    for (let i = 0; i < zip64.length; i++) {
      const damaged = Uint8Array.from(zip64);
      damaged[i]! ^= 0xff;
      const found = await directoryOf(damaged).catch((error: unknown) => error);
      if (!Array.isArray(found)) expect(found).toBeInstanceOf(FormatError);
    }
  });
});
