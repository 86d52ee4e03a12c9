import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";

/** The folder of real data and goldens beside the clone, which is not part of it. */
const shared = new URL("../../../../../shared/", import.meta.url);

/** A path in the shared folder. Undefined, with a warning, if it is missing, for `it.skipIf`. */
export function sharedPath(path: string): string | undefined {
  const full = fileURLToPath(new URL(path, shared));
  if (existsSync(full)) return full;
  console.warn(`skipped: ${full} is missing`);
  return undefined;
}
