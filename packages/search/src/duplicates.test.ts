import { temporaryFolder } from "@residual/kit/testing/folder";
import fc from "fast-check";
import { expect, it } from "vitest";
import { duplicates } from "./duplicates.ts";
import { blockBytes, cosine, indexOf, isEmpty, type Rows, tables } from "./testing/vectors.ts";

const folder = temporaryFolder();
const name = async (row: number) => String(row);

/** Joins the sets of all pairs that reach the threshold. */
function groupsOf(rows: Rows, threshold: number): readonly (readonly number[])[] {
  const sets = rows.map((_, i) => new Set([i]));
  for (let i = 0; i < rows.length; i++) {
    for (let j = 0; j < i; j++) {
      if (isEmpty(rows[i]) || isEmpty(rows[j]) || cosine(rows[i]!, rows[j]!) < threshold) continue;
      const joined = new Set([...sets[i]!, ...sets[j]!]);
      for (const each of joined) sets[each] = joined;
    }
  }
  return [...new Set(sets)].filter(({ size }) => size > 1).map((set) => [...set].sort((a, b) => a - b));
}

const texts = (groups: readonly (readonly number[])[]) => groups.map((group) => group.join(" ")).sort();

it("gives the groups that all pairs connect, whatever the vectors, the threshold and the blocks", async () => {
  await fc.assert(
    fc.asyncProperty(tables, fc.integer({ min: 1, max: 100 }), blockBytes, async ({ rows }, percent, block) => {
      await using index = await indexOf(folder.in("index"), rows);
      const threshold = percent / 100;
      const found = await duplicates(index, name, { threshold, block });
      const images = found.map((group) => group.map(({ image }) => Number(image)).sort((a, b) => a - b));
      expect(texts(images)).toEqual(texts(groupsOf(rows, threshold)));
      for (const [head, ...others] of found) {
        expect(head!.cosine).toBe(1);
        for (const { image, cosine: found } of others)
          expect(found).toBe(cosine(rows[Number(head!.image)]!, rows[Number(image)]!));
      }
    }),
  );
});

it("compares each pair once, over the blocks and the turns of the event loop", async () => {
  const random = (i: number) => Math.sin(i * 12.9898) * 43758.5453 - Math.floor(Math.sin(i * 12.9898) * 43758.5453);
  const rows = Array.from({ length: 1500 }, (_, row) => Array.from({ length: 3 }, (_, k) => random(row * 3 + k) - 0.5));
  await using index = await indexOf(folder.in("index"), rows);
  const counts: number[] = [];
  const onProgress = ({ done, total }: { done: number; total: number }) => counts.push(done, total);
  const found = await duplicates(index, name, { threshold: 0.9995, block: 700 * 12, onProgress });
  expect(texts(found.map((group) => group.map(({ image }) => Number(image)).sort((a, b) => a - b)))).toEqual(
    texts(groupsOf(rows, 0.9995)),
  );
  expect(counts.slice(-2)).toEqual([(1500 * 1499) / 2, (1500 * 1499) / 2]);
  expect(found.map((group) => group.length)).toEqual(found.map((group) => group.length).sort((a, b) => b - a));
});

it("stops when its signal is aborted, in the middle of a block", async () => {
  const rows = Array.from({ length: 1500 }, (_, i) => [i, 1]);
  await using index = await indexOf(folder.in("index"), rows);
  const stop = new AbortController();
  const work = { threshold: 0.9, signal: stop.signal, onProgress: () => stop.abort() };
  await expect(duplicates(index, name, work)).rejects.toMatchObject({ code: "AbortError" });
});

it.each([0, -1, 1.01, Number.NaN])("refuses the threshold %s", async (threshold) => {
  await using index = await indexOf(folder.in("index"), [[1]]);
  const found = duplicates(index, name, { threshold });
  await expect(found).rejects.toThrow(`\`duplicates\` is ${threshold}, expected a cosine above 0, up to 1`);
});
