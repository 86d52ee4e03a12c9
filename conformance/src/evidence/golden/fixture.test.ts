import { readFileSync } from "node:fs";
import { fill, fnv1a32, hashU32 } from "@residual/core";
import { describe, expect, it } from "vitest";

interface HashRow {
  readonly name: string;
  readonly seed: number;
  readonly range: readonly [number, number];
  readonly index: readonly number[];
  readonly h: readonly number[];
  readonly u: readonly number[];
  readonly value: readonly number[];
  readonly bits: readonly number[];
}

const hashCheck = JSON.parse(readFileSync(new URL("../../../golden/hash_check.json", import.meta.url), "utf8")) as {
  salt: string;
  rows: HashRow[];
};

describe.each(hashCheck.rows)("the hash fill named $name", ({ name, seed, range, index, h, value, bits }) => {
  it("has the goldens' seed and hashes", () => {
    expect(fnv1a32(`${hashCheck.salt}/${name}`)).toBe(seed);
    expect(index.map((i) => hashU32(seed, i))).toEqual(h);
  });

  it("has the goldens' values, to the bit", () => {
    const near = index.filter((i) => i < 70_000);
    const { data } = fill(hashCheck.salt, name, [70_000], ...range);
    expect(near.map((i) => data[i])).toEqual(value.slice(0, near.length));
    const words = new Uint32Array(data.buffer);
    expect(near.map((i) => words[i])).toEqual(bits.slice(0, near.length));
  });
});
