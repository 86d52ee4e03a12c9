import { join } from "node:path";
import { makeFolder, writeAtomic } from "@residual/kit/files";
import { toBadge, toShields } from "./badge.ts";
import { toHtml } from "./html.ts";
import { toJson } from "./json.ts";
import { toJunit } from "./junit.ts";
import type { Report } from "./types.ts";

const files: { readonly [name: string]: (reports: readonly Report[]) => string } = {
  "conformance.json": toJson,
  "junit.xml": toJunit,
  "index.html": toHtml,
  "badge.svg": toBadge,
  "badge.json": toShields,
};

/** Writes reports in all their forms into a folder, which is made; each file whole, or left as it was. */
export async function writeReports(folder: string, reports: readonly Report[]): Promise<void> {
  await makeFolder(folder);
  const written = Object.entries(files).map(([name, make]) => ({
    path: join(folder, name),
    pieces: [new TextEncoder().encode(make(reports))],
  }));
  await writeAtomic(written);
}
