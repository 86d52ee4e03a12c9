import { readFile, stat } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { FormatError, WeightsError } from "@residual/core";
import { exclusively, makeFolder, writeAtomic } from "@residual/kit/files";
import type { Digest } from "./digest.ts";

/** The lock file: the size and hash of each address's file at its first download. */
export const PINS = "residual.weights.json";

/** The file's size in bytes, and its SHA-256 in 64 hexadecimal digits. */
export type Pin = Pick<Digest, "bytes" | "sha256">;

type Pins = Readonly<Record<string, Pin>>;

/**
 * The lock file that applies: the nearest one in the current folder or a folder above, so that a project can bring a
 * lock file; otherwise the one in the cache folder.
 */
export async function pinsFile(cache: string): Promise<string> {
  for (let folder = resolve("."); ; folder = dirname(folder)) {
    const file = join(folder, PINS);
    if ((await stat(file).catch(() => undefined))?.isFile()) return file;
    if (dirname(folder) === folder) return join(cache, PINS);
  }
}

export async function pinOf(file: string, url: string): Promise<Pin | undefined> {
  const pins = await readPins(file);
  return Object.hasOwn(pins, url) ? pins[url] : undefined;
}

/** Adds a pin to the lock file. Safe with concurrent processes. */
export async function addPin(file: string, url: string, { bytes, sha256 }: Pin): Promise<void> {
  await makeFolder(dirname(file));
  await exclusively(file, async () => {
    const pins = { ...(await readPins(file)), [url]: { bytes, sha256 } };
    const files = Object.fromEntries(Object.entries(pins).toSorted(([a], [b]) => (a < b ? -1 : 1)));
    const text = `${JSON.stringify({ version: 1, files }, undefined, 2)}\n`;
    await writeAtomic([{ path: file, pieces: [new TextEncoder().encode(text)] }]);
  });
}

/** The file at an address differs from the pinned file. */
export class ChangedFile extends WeightsError {}

/** Throws ChangedFile if a file differs from the pinned file. */
export function checkPin(file: string, pin: Pin | undefined, sha256: string | undefined): void {
  if (!pin || sha256 === undefined || sha256 === pin.sha256) return;
  throw new ChangedFile(
    `the file has changed: SHA-256 ${sha256.slice(0, 12)}…, where ${file} has ${pin.sha256.slice(0, 12)}…; ` +
      "if the change is wanted, remove its entry there and pull again",
  );
}

async function readPins(file: string): Promise<Pins> {
  const text = await readFile(file, "utf8").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return undefined;
    throw error;
  });
  if (text === undefined) return {};
  try {
    const { files } = JSON.parse(text) as { readonly files: Pins };
    if (Object.values(files).every(isPin)) return files;
  } catch {}
  throw new FormatError(
    `${file}: expected { "version": 1, "files": { "https://…": { "bytes": …, "sha256": "…" } } }; mend it or remove it`,
  );
}

function isPin(pin: Pin | null | undefined): boolean {
  return Number.isSafeInteger(pin?.bytes) && /^[0-9a-f]{64}$/.test(pin!.sha256);
}
