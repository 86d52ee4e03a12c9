import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";

/** The folder of real data and goldens beside the clone, which is not part of it. */
const shared = new URL("../../../../../shared/", import.meta.url);

/** A path in there; undefined, and said aloud, where it is missing, for `it.skipIf`. */
export function sharedPath(path: string): string | undefined {
  const full = fileURLToPath(new URL(path, shared));
  if (existsSync(full)) return full;
  console.warn(`skipped: ${full} is missing`);
  return undefined;
}
