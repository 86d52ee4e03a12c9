import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";

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
