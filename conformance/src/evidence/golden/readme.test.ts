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
