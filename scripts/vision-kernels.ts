/**
 * Writes packages/vision/src/simd/kernels-bytes.ts, the WebAssembly of kernels.wat beside it, so that neither a build
 * nor a page needs an assembler or a file.
 *
 *   node scripts/vision-kernels.ts
 */
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import wabt from "wabt";

const pathOf = (name: string): string => fileURLToPath(new URL(`../packages/vision/src/simd/${name}`, import.meta.url));

export const kernelsPath: string = pathOf("kernels-bytes.ts");

/** The text of the module. */
export async function kernelsModule(): Promise<string> {
  const assembler = await wabt();
  const module = assembler.parseWat("kernels.wat", readFileSync(pathOf("kernels.wat"), "utf8"), { simd: true });
  module.validate();
  const base64 = Buffer.from(module.toBinary({}).buffer).toString("base64");
  module.destroy();
  const lines = base64.match(/.{1,114}/g)!.map((line) => `  "${line}"`);
  return [
    "// Written by scripts/vision-kernels.ts from kernels.wat.",
    "/** WebAssembly in base64. */",
    `export const kernelsBytes: string =\n${lines.join(" +\n")};\n`,
  ].join("\n");
}

if (process.argv[1] === fileURLToPath(import.meta.url)) writeFileSync(kernelsPath, await kernelsModule());
