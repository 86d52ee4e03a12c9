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

/**
 * Writes reports in all formats into a folder, and creates the folder. Each file is replaced as a whole or stays
 * unchanged.
 */
export async function writeReports(folder: string, reports: readonly Report[]): Promise<void> {
  await makeFolder(folder);
  const written = Object.entries(files).map(([name, make]) => ({
    path: join(folder, name),
    pieces: [new TextEncoder().encode(make(reports))],
  }));
  await writeAtomic(written);
}

/** The pause after a write, in multiples of the write's own time. */
const PAUSE = 19;

/**
 * Writes reports while they grow, so that an interrupted run leaves readable reports. A call soon after the last write
 * writes nothing: writing takes at most a twentieth of all time.
 */
export function growingReports(folder: string): (reports: readonly Report[]) => Promise<void> {
  let next = -Infinity;
  return async (reports) => {
    const begin = performance.now();
    if (begin < next) return;
    await writeReports(folder, reports);
    const end = performance.now();
    next = end + PAUSE * (end - begin);
  };
}
