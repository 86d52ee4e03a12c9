import { basename, extname } from "node:path";
import { checkPlace } from "@residual/kit/files";
import { UsageError } from "./errors.ts";

/**
 * Before any work is done: whether `--out` can be a safetensors file. Throws UsageError for another ending, which would
 * make other programs misread the file, and what `checkPlace` throws.
 */
export async function checkSafetensorsPath(path: string): Promise<void> {
  checkNamed(path, "--out");
  const ending = extname(path);
  if (ending.toLowerCase() !== ".safetensors") {
    const found = ending === "" ? "has no ending" : `ends in ${ending}`;
    throw new UsageError(`--out ${path} ${found}; expected .safetensors, the one format that is written here`);
  }
  await checkPlace(path);
}

/** Throws UsageError for a path that is empty, or an ending alone: `.onnx` would be a hidden file, or a folder. */
export function checkNamed(path: string, option: string): void {
  if (path.trim() === "") throw new UsageError(`${option} is empty; expected a path`);
  const name = basename(path);
  if (/^\.[a-z]/i.test(name) && !path.endsWith("/"))
    throw new UsageError(`${option} ${path} is an ending without a name; write model${name}`);
}
