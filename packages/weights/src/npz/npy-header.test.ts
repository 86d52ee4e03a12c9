import { readFile } from "node:fs/promises";
import { FormatError } from "@residual/core";
import { describe, expect, it } from "vitest";
import { readNpyHeader } from "./npy-header.ts";

const refuse = (problem: string): never => {
  throw new FormatError(problem);
};

/** The start of an array with the given header: version 1, padded as `np.save` does. */
function start(header: string): Uint8Array {
  const text = `${header}\n`;
  const prefix = Buffer.from("\x93NUMPY\x01\0\0\0", "latin1");
  prefix.writeUInt16LE(text.length, 8);
  return Buffer.concat([prefix, Buffer.from(text, "latin1")]);
}
const read = (header: string) => readNpyHeader(start(header), refuse);

describe("the header of an array", () => {
  it.each<[string, string, object]>([
    [
      "as NumPy writes it",
      "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }   ",
      { dtype: { stored: "F32", isBigEndian: false }, shape: [2, 3], isFortran: false },
    ],
    [
      "in another order, without a last comma",
      `{"shape":(7,),'fortran_order':True,'descr':'>i8'}`,
      { dtype: { stored: "I64", isBigEndian: true }, shape: [7], isFortran: true },
    ],
    [
      "of a scalar",
      "{'descr': '|b1', 'fortran_order': False, 'shape': (), }",
      { dtype: { stored: "BOOL", isBigEndian: false }, shape: [] },
    ],
    ["of Python 2", "{'descr': '<u2', 'fortran_order': False, 'shape': (3L, 4L), }", { shape: [3, 4] }],
    [
      "of text",
      "{'descr': '<U5', 'fortran_order': False, 'shape': (2,), }",
      { dtype: { stored: undefined, described: "<U5" } },
    ],
    [
      "of records",
      "{'descr': [('x', '<f4'), ('y', [('z', '<i4', (2,))])], 'fortran_order': False, 'shape': (2,), }",
      { dtype: { stored: undefined, described: "records" }, shape: [2] },
    ],
    [
      "of numbers with a name of an object's own",
      "{'descr': 'constructor', 'fortran_order': False, 'shape': (), }",
      { dtype: { stored: undefined, described: "constructor" } },
    ],
  ])("%s", (_, header, expected) => {
    expect(read(header)).toMatchObject(expected);
  });

  it.each([2, 3])("of version %i (fixtures/make.py)", async (version) => {
    const bytes = await readFile(new URL(`fixtures/version-${version}.npy`, import.meta.url));
    expect(readNpyHeader(bytes, refuse)).toEqual({
      dtype: { stored: "F32", isBigEndian: false },
      shape: [4, 3, 3, 3],
      isFortran: false,
      length: 128,
    });
  });

  const rest = "'fortran_order': False, 'shape': (2,), }";
  it.each<[string, string | Uint8Array, RegExp]>([
    ["code", "__import__('os').system('true')", /found "__import__\('os'\)/],
    ["a call in a dictionary", `{'descr': str('<f4'), ${rest}`, /expected a string/],
    ["an escape", `{'descr': '\\x3cf4', ${rest}`, /expected a string/],
    ["a key that comes twice", `{'descr': '<f4', 'descr': '<f4', ${rest}`, /each once/],
    ["another key", `{'order': '<f4', ${rest}`, /the key "order"/],
    ["no shape", "{'descr': '<f4', 'fortran_order': False}", /lacks descr, fortran_order or shape/],
    [
      "a negative size",
      "{'descr': '<f4', 'fortran_order': False, 'shape': (-1,), }",
      /found "-1,\), }.*", expected a size/,
    ],
    [
      "a size of 2^53",
      "{'descr': '<f4', 'fortran_order': False, 'shape': (9007199254740992,), }",
      /the size 9007199254740992/,
    ],
    ["a size as a fraction", "{'descr': '<f4', 'fortran_order': False, 'shape': (1.5,), }", /expected a size/],
    ["a shape as a list", "{'descr': '<f4', 'fortran_order': False, 'shape': [2], }", /expected "\("/],
    ["65 axes", `{'descr': '<f4', 'fortran_order': False, 'shape': (${"1,".repeat(65)}), }`, /more than 64 axes/],
    ["text behind the end", `{'descr': '<f4', ${rest} 1`, /found " 1\\n", expected the end/],
    ["brackets without end", `{'descr': ${"[(".repeat(2000)}, ${rest}`, /expected the fields of records/],
    ["a header cut off", start(`{'descr': '<f4', ${rest}`).subarray(0, 40), /claims \d+ bytes, expected at most 30/],
    ["a header of 4 GiB", Buffer.from("\x93NUMPY\x02\0\xff\xff\xff\xff{", "latin1"), /claims 4294967295 bytes/],
    ["a header that is no UTF-8", Buffer.from("\x93NUMPY\x03\0\x01\0\0\0\xff", "latin1"), /not UTF-8/],
    ["a version to come", Buffer.from("\x93NUMPY\x04\0\0\0\0\0", "latin1"), /of version 4/],
    ["something else", Buffer.from("GIF89a"), /does not begin as an array/],
  ])("%s is refused", (_, header, message) => {
    const reading = () => readNpyHeader(typeof header === "string" ? start(header) : header, refuse);
    expect(reading).toThrow(FormatError);
    expect(reading).toThrow(message);
  });
});
