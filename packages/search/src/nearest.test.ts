import { writeFile } from "node:fs/promises";
import { temporaryFolder } from "@residual/kit/testing/folder";
import fc from "fast-check";
import { expect, it } from "vitest";
import { IndexFile } from "./index-file.ts";
import { nearest } from "./nearest.ts";
import { blockBytes, cosine, indexOf, isEmpty, tables } from "./testing/vectors.ts";
import { unitOf } from "./vectors.ts";

const folder = temporaryFolder();

it("gives the same as sorting all cosines, ties by name, whatever the vectors and the blocks", async () => {
  await fc.assert(
    fc.asyncProperty(tables, fc.integer({ min: 1, max: 50 }), blockBytes, async ({ rows, query }, top, block) => {
      await using index = await indexOf(folder.in("index"), rows);
      const name = (row: number) => String((row * 7) % 41).padStart(2, "0"); // not in the order of the rows
      const found = await nearest(index, async (row) => name(row), unitOf(query)!, { top, block });
      const all = rows.flatMap((row, i) => (isEmpty(row) ? [] : [{ image: name(i), cosine: cosine(row!, query) }]));
      all.sort((a, b) => b.cosine - a.cosine || (a.image < b.image ? -1 : 1));
      expect(found).toEqual(all.slice(0, top));
    }),
  );
});

it("refuses a query of another length", async () => {
  await using index = await indexOf(folder.in("index"), [[1, 2, 3]]);
  const found = nearest(index, async () => "", new Float32Array([1]), { top: 1 });
  await expect(found).rejects.toMatchObject({ code: "ShapeError", label: "search.S1" });
});

it("refuses an index with other numbers than unit vectors", async () => {
  await (
    await indexOf(folder.in("index"), [
      [1, 2],
      [3, 4],
    ])
  )[Symbol.asyncDispose]();
  await writeFile(folder.in("index", "embeddings.f32"), new Float32Array([1, 0, 0, -1.5]));
  await using index = await IndexFile.open(folder.in("index"));
  const found = nearest(index, async () => "", new Float32Array([0, 1]), { top: 1 });
  await expect(found).rejects.toThrow(/embeddings\.f32: a cosine of -1\.5, so its rows are not unit vectors; make the/);
});

it("stops when its signal is aborted", async () => {
  await using index = await indexOf(folder.in("index"), [[1, 2, 3]]);
  const options = { top: 1, signal: AbortSignal.abort() };
  const found = nearest(index, async () => "", new Float32Array([1, 0, 0]), options);
  await expect(found).rejects.toMatchObject({ code: "AbortError" });
});
