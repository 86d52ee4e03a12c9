import { readdirSync, readFileSync } from "node:fs";
import { expect, it } from "vitest";

const golden = new URL("../../../golden/", import.meta.url);
const text = readFileSync(new URL("README.md", golden), "utf8");

it("the table of folders lists every file and folder of golden/", () => {
  const listed = [...text.matchAll(/^\| `([^`/]+)(?:\/[^`]*)?`/gm)].map(([, name]) => name!);
  const found = readdirSync(golden).filter((name) => name !== "README.md");
  expect([...new Set(listed)].filter((name) => found.includes(name)).sort()).toEqual(found.sort());
  const folders = [...text.matchAll(/`(\w+)\/\*/g)].map(([, name]) => name!);
  expect(found).toEqual(expect.arrayContaining(folders));
});

it("the table of float32's errors has a row for each recorded inference, and no other", () => {
  const rows = [...text.matchAll(/^\| (\w+_\d+x\d+x\d+x\d+) \|/gm)].map(([, id]) => id!);
  const recorded = readdirSync(new URL("infer/", golden)).map((file) => file.replace(".json", ""));
  expect(rows.sort()).toEqual(recorded.filter((id) => id !== "index").sort());
});
