import { createHash } from "node:crypto";
import { open } from "node:fs/promises";
import { throwIfAborted, type WorkOptions } from "@residual/core";

/** Hashes of a file, in hexadecimal digits, and its size in bytes. */
export interface Digest {
  readonly bytes: number;
  readonly sha256: string;
  /** Computed only on request, because MD5 is slow. */
  readonly md5?: string | undefined;
}

/** The expected size and hash of a file. `sha256` may be only the first digits. */
export interface Expected {
  readonly bytes?: number | undefined;
  readonly sha256?: string | undefined;
  readonly md5?: string | undefined;
}

const CHUNK = 1 << 20;

/** Reads a whole file, and compares it with the expected size and hash. `onProgress` counts bytes. */
export async function digestOf(
  path: string,
  expected: Expected,
  { signal, onProgress }: WorkOptions = {},
): Promise<Digest> {
  await using file = await open(path);
  const { size } = await file.stat();
  const sha256 = createHash("sha256");
  const md5 = expected.md5 === undefined ? undefined : createHash("md5");
  const chunk = new Uint8Array(CHUNK);
  let bytes = 0;
  for (;;) {
    throwIfAborted(signal);
    const { bytesRead } = await file.read(chunk, 0, CHUNK);
    if (bytesRead === 0) return { bytes, sha256: sha256.digest("hex"), md5: md5?.digest("hex") };
    for (const hash of [sha256, md5]) hash?.update(chunk.subarray(0, bytesRead));
    bytes += bytesRead;
    onProgress?.({ stage: "verify", done: bytes, total: Math.max(bytes, size) });
  }
}

/** Describes how a file differs from the expected size and hash; undefined if it does not differ. */
export function differenceOf(found: Digest, expected: Expected): string | undefined {
  const { bytes = found.bytes, sha256 = found.sha256, md5 = found.md5 } = expected;
  if (found.bytes !== bytes) return `found ${found.bytes} bytes, expected ${bytes}`;
  if (!found.sha256.startsWith(sha256))
    return `found SHA-256 ${found.sha256.slice(0, sha256.length)}, expected ${sha256}`;
  return found.md5 === md5 ? undefined : `found MD5 ${found.md5}, expected ${md5}`;
}
