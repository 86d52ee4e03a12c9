import { readRows, type Source, scaleRows, tensor } from "@residual/core";
import { expect, it } from "vitest";
import { pieceOf } from "./source-piece.ts";

async function fileBytes(source: Source, dtype?: Source["dtype"]): Promise<Buffer> {
  const piece = pieceOf(source, dtype);
  if (piece instanceof Uint8Array) return Buffer.from(piece);
  const chunks: Buffer[] = [];
  for await (const chunk of piece.chunks()) chunks.push(Buffer.from(chunk)); // a copy, since the next is read over it
  const all = Buffer.concat(chunks);
  expect(all.length).toBe(piece.length);
  return all;
}

const large = tensor(
  [700, 1000],
  Array.from({ length: 700_000 }, (_, i) => i),
);
const lazy: Source = {
  dtype: "float32",
  shape: large.shape,
  firstNonFinite: -1,
  read: (into, rows) => readRows(large, into, rows),
};

it("gives a view on a tensor's own memory", () => {
  const piece = pieceOf(large) as Uint8Array;
  expect(piece.buffer).toBe(large.data.buffer);
});

it("reads rows of a lazy source while they are written", async () => {
  expect((await fileBytes(lazy)).equals(Buffer.from(large.data.buffer))).toBe(true);
});

it("rounds to the dtype that is asked for", async () => {
  const third = scaleRows(lazy, new Float64Array(700).fill(1 / 3));
  const bytes = await fileBytes(third, "float32");
  expect(bytes.readFloatLE(4)).toBe(Math.fround(1 / 3));
  expect((await fileBytes(third)).readDoubleLE(8)).toBe(1 / 3);
});

it("reads one row where a row is larger than a chunk", async () => {
  const wide: Source = { ...lazy, shape: [1, 700_000] };
  const of = tensor([1, 700_000], large.data);
  expect(
    (await fileBytes({ ...wide, read: (into, rows) => readRows(of, into, rows) })).equals(
      Buffer.from(large.data.buffer),
    ),
  ).toBe(true);
});
