import { existsSync, realpathSync } from "node:fs";
import { basename, extname } from "node:path";
import { checkPlace } from "@residual/kit/files";
import { UsageError } from "./errors.ts";

/**
 * Checked before work is done: whether `--out` can be a safetensors file. Throws UsageError for another file extension,
 * which would mislead other programs, and errors of `checkPlace`.
 */
export async function checkSafetensorsPath(path: string): Promise<void> {
  checkNamed(path, "--out");
  const ending = extname(path);
  if (ending.toLowerCase() !== ".safetensors") {
    const found = ending === "" ? "has no ending" : `ends in ${ending}`;
    throw new UsageError(`--out ${path} ${found}; expected .safetensors, the only format of --out`);
  }
  await checkPlace(path);
}

/**
 * Throws UsageError for an empty path, and for an extension without a name: `.onnx` would be a hidden file, or a
 * folder.
 */
export function checkNamed(path: string, option: string): void {
  if (path.trim() === "") throw new UsageError(`${option} is empty; expected a path`);
  const name = basename(path);
  if (/^\.[a-z]/i.test(name) && !path.endsWith("/"))
    throw new UsageError(`${option} ${path} is an ending without a name; write model${name}`);
}

export function isSameFile(from: string, to: string): boolean {
  return existsSync(from) && existsSync(to) && realpathSync(from) === realpathSync(to);
}
