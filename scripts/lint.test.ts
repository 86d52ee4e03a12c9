import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { describe, expect, it } from "vitest";

/** What `pnpm lint` says of files, by their names. */
function lint(files: { readonly [name: string]: string }): string {
  const folder = mkdtempSync(join(tmpdir(), "residual-lint-"));
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
  const { stdout } = spawnSync("oxlint", ["--config", ".oxlintrc.json", folder], { encoding: "utf8" });
  rmSync(folder, { recursive: true });
  return stdout;
}

it.each(["import", "import type"])("refuses a circle by %s", (importing) => {
  const said = lint({
    "a.ts": `${importing} { B } from "./b.ts";\nexport class A {\n  b?: B;\n}\n`,
    "b.ts": `${importing} { A } from "./a.ts";\nexport class B {\n  a?: A;\n}\n`,
  });
  expect(said).toContain("import(no-cycle)");
});

it("passes a chain of imports", () => {
  const said = lint({
    "a.ts": `import type { B } from "./b.ts";\nexport type A = B;\n`,
    "b.ts": "export type B = 1;\n",
  });
  expect(said).toContain("0 warnings and 0 errors");
});

describe("check-comments", () => {
  const widths = (text: string) => {
    const folder = mkdtempSync(join(tmpdir(), "residual-lint-"));
    writeFileSync(join(folder, "a.ts"), text);
    spawnSync("git", ["init", "--quiet"], { cwd: folder });
    spawnSync("git", ["add", "a.ts"], { cwd: folder });
    const { stdout, status } = spawnSync(process.execPath, [resolve("scripts/check-comments.ts")], {
      cwd: folder,
      encoding: "utf8",
    });
    rmSync(folder, { recursive: true });
    return [status, stdout.split("\n").filter((line) => line.startsWith("a.ts"))];
  };
  const wide = "word ".repeat(24).trim(); // 119 characters

  it.each([
    ["a line of a doc comment", `/**\n * ${wide}\n */`, ["a.ts:2"]],
    ["a comment on one line", `/** ${wide} */`, ["a.ts:1"]],
    ["a comment behind code", `const a = 1; // ${wide}`, ["a.ts:1"]],
  ])("refuses %s beyond 120 columns", (_, text, places) => {
    expect(widths(text)).toEqual([1, places]);
  });

  it.each([
    ["a comment of just 120 columns", `//${wide.slice(0, 117)} `.padEnd(120, "x")],
    ["a long text with slashes in it", `const a = "${wide} // ${wide}";`],
    ["letters that are several bytes each", `// ${"é".repeat(117)}`],
  ])("passes %s", (_, text) => {
    expect(widths(text)).toEqual([0, []]);
  });
});
