import { existsSync, globSync, readFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { expect, it } from "vitest";
import { budgets, mostOf } from "./sizes/budgets.ts";

const pages = globSync([
  "*.md",
  "docs/**/*.md",
  "packages/*/*.md",
  "packages/*/known/*.md",
  "conformance/*.md",
  "apps/*.md",
  "apps/*/*.md",
  "photos/*.md",
]);

/** Links to files of the repository, without code, in which brackets mean something else. */
function linksOf(page: string): readonly string[] {
  const text = readFileSync(page, "utf8").replaceAll(/```.*?```/gs, "");
  const links = [...text.matchAll(/\]\(([^)\s]+)\)|(?:src|srcset)="([^"]+)"/g)].map(
    ([, link, source]) => link ?? source!,
  );
  return links.filter((link) => !/^[a-z]+:/.test(link));
}

/** A heading as GitHub makes an anchor of it. */
function anchorsOf(page: string): readonly string[] {
  const headings = readFileSync(page, "utf8").matchAll(/^#+ (.*)$/gm);
  const toAnchor = (heading: string) =>
    heading
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N} _-]/gu, "")
      .replaceAll(" ", "-");
  return [...headings].map(([, heading]) => toAnchor(heading!));
}

it.each(pages)("each link of %s leads somewhere", (page) => {
  for (const link of linksOf(page)) {
    const [path = "", anchor] = link.split("#");
    const target = path === "" ? page : join(dirname(page), path);
    expect(existsSync(target), link).toBe(true);
    if (anchor !== undefined) expect(anchorsOf(target), link).toContain(anchor);
  }
});

it.each([
  ["docs/decisions/README.md", "docs/decisions/*.md"],
  ["docs/README.md", "docs/*.md"],
])("%s lists every page", (index, folder) => {
  const listed = linksOf(index).map((link) => basename(link));
  const others = globSync(folder).filter((page) => page !== index);
  for (const page of others) expect(listed).toContain(basename(page));
});

it("docs/browser.md has the budgets of sizes", () => {
  const rows = readFileSync("docs/browser.md", "utf8").matchAll(/^\| (.*) \| ([\d.]+) kB \|$/gm);
  expect([...rows].map(([, name, most]) => [name, Number(most)])).toEqual(
    budgets.map((budget) => [budget.name, mostOf(budget)]),
  );
});
