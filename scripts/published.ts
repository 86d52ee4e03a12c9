import { globSync, readFileSync } from "node:fs";
import { dirname } from "node:path";

const isPublished = (manifest: string): boolean =>
  (JSON.parse(readFileSync(manifest, "utf8")) as { readonly private?: boolean }).private !== true;

/** The folders of the packages that are published: two of the apps are among them. */
export const published: readonly string[] = globSync("{packages/*,conformance,apps/*}/package.json")
  .filter(isPublished)
  .map((manifest) => dirname(manifest).replaceAll("\\", "/"))
  .toSorted();
