import { writeFile } from "node:fs/promises";
import { temporaryFolder } from "@residual/kit/testing/folder";
import { expect, it } from "vitest";
import { readJournal } from "./journal.ts";

const folder = temporaryFolder();
const entry = { shard: 1, rows: 4, errors: 0, sha256: "0", ms: 5 };

it("the last entry of a shard counts, and a torn last line is none", async () => {
  const again = { ...entry, errors: 2 };
  await writeFile(folder.in("journal.jsonl"), `${JSON.stringify(entry)}\n${JSON.stringify(again)}\n{"shard":2`);
  expect(await readJournal(folder.in("journal.jsonl"))).toEqual(new Map([[1, again]]));
});

it.each(["{", "null", "{}"])("the damaged line %s is told with its place", async (line) => {
  const path = folder.in("journal.jsonl");
  await writeFile(path, `${JSON.stringify(entry)}\n${line}\n${JSON.stringify(entry)}\n`);
  const message = `${path}, line 2: it is damaged; remove the journal, and run the job again: finished shards stay`;
  await expect(readJournal(path)).rejects.toMatchObject({ code: "FormatError", message });
});
