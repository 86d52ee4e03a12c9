import { execFile } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import { expect, it } from "vitest";
import { published } from "./published.ts";

/** The code that the README of a package shows. */
function exampleOf(folder: string): string {
  const [, code] = /```ts\n(.*?)```/s.exec(readFileSync(join(folder, "README.md"), "utf8")) ?? [];
  if (code === undefined) throw new Error(`${folder}/README.md has no example`);
  return code;
}

/** What its comments say that it prints. */
function promised(code: string): readonly string[] {
  return [...code.matchAll(/^console\.log\(.*\); \/\/ (.*)$/gm)].map(([, text]) => text!);
}

/** Gives `navigator.gpu` to the example of webgpu, whatever driver this machine has or lacks. */
const withSoftwareGpu = `
import { softwareGpu } from "@residual/webgpu-software";
Object.defineProperty(navigator, "gpu", { value: await softwareGpu() });
`;

/** Runs code as a module of the package, in a folder of its own with a picture in it. */
async function run(folder: string, code: string): Promise<string> {
  const cwd = mkdtempSync(join(tmpdir(), "residual-readme-"));
  cpSync("photos/chelsea.png", join(cwd, "cat.png"));
  const inside = (of: string, name: string, text: string) => {
    mkdirSync(join(of, ".vitest"), { recursive: true }); // ignored by git
    const path = resolve(of, ".vitest", name);
    writeFileSync(path, text);
    return path;
  };
  const file = inside(folder, "readme.ts", code);
  const gpu = folder === "packages/webgpu" ? ["--import", inside("conformance", "gpu.ts", withSoftwareGpu)] : [];
  try {
    const { stdout } = await promisify(execFile)(process.execPath, ["--conditions=@residual/source", ...gpu, file], {
      cwd,
    });
    return stdout;
  } finally {
    rmSync(cwd, { recursive: true });
  }
}

it.each(published)("the README of %s runs as it says", async (folder) => {
  const code = exampleOf(folder);
  expect((await run(folder, code)).split("\n").slice(0, -1)).toEqual(promised(code));
});
