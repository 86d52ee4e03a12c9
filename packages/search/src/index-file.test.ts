import { readFile, rm, truncate, writeFile } from "node:fs/promises";
import { temporaryFolder } from "@residual/kit/testing/folder";
import { expect, it } from "vitest";
import { IndexFile } from "./index-file.ts";
import { indexOf } from "./testing/vectors.ts";

const folder = temporaryFolder();
const again = "make the index again with residual bulk index";

it("keeps unit vectors, and NaN in the rows without one", async () => {
  await using index = await indexOf(folder.in("index"), [undefined, [3, 4], [0, 0]]);
  expect(index.header).toEqual({ version: 1, source: "source", rows: 3, dimensions: 2, filled: 1 });
  const { data } = await index.read(0, 3);
  expect(data).toEqual(new Float32Array([Number.NaN, Number.NaN, 0.6, 0.8, Number.NaN, Number.NaN]));
});

it.each([[[]], [[undefined, [0]]]])("opens without embeddings: %j", async (rows) => {
  await using index = await indexOf(folder.in("index"), rows);
  expect(index.header).toMatchObject({ rows: rows.length, filled: 0 });
});

it("refuses embeddings of different lengths, and leaves the old index", async () => {
  await (await indexOf(folder.in("index"), [[1]]))[Symbol.asyncDispose]();
  const made = indexOf(folder.in("index"), [[1, 2], [1]]);
  await expect(made).rejects.toThrow("row 1: an embedding of 1 numbers, expected 2 (search.S2)");
  await using index = await IndexFile.open(folder.in("index"));
  expect(index.header.rows).toBe(1);
});

async function edit(path: string, changes: object): Promise<void> {
  const header = JSON.parse(await readFile(`${path}/index.json`, "utf8")) as object;
  await writeFile(`${path}/index.json`, JSON.stringify({ ...header, ...changes }));
}

it.each([
  ["no header", (path: string) => rm(`${path}/index.json`), `index.json: it cannot be read as JSON; ${again}`],
  ["half a header", (path: string) => truncate(`${path}/index.json`, 20), "it cannot be read as JSON"],
  ["another version", (path: string) => edit(path, { version: 2 }), "it is not the header of an index of version 1"],
  ["a negative count", (path: string) => edit(path, { rows: -1 }), "it is not the header of an index of version 1"],
  ["a text as header", (path: string) => writeFile(`${path}/index.json`, "null"), "it is not the header of an index"],
  [
    "half the numbers",
    (path: string) => truncate(`${path}/embeddings.f32`, 8),
    `it has 8 bytes, expected 16; ${again}`,
  ],
  ["more rows than numbers", (path: string) => edit(path, { rows: 3 }), "it has 16 bytes, expected 24"],
])("refuses an index with %s", async (_, damage, message) => {
  const path = folder.in("damaged");
  await (
    await indexOf(path, [
      [1, 2],
      [3, 4],
    ])
  )[Symbol.asyncDispose]();
  await damage(path);
  await expect(IndexFile.open(path)).rejects.toMatchObject({
    code: "FormatError",
    message: expect.stringContaining(message) as string,
  });
});
