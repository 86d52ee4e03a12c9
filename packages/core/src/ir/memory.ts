import { OutOfMemoryError } from "./errors.ts";

/** Below it nobody runs out of memory, and asking would take longer than it takes to go on. In bytes. */
const SMALL = 64 << 20;

/** The part of Node's `process`, which Deno and Bun have too, that tells how much memory there is. */
interface Process {
  constrainedMemory?(): number | undefined;
  getBuiltinModule?(name: "node:os"): { totalmem(): number } | undefined;
}

/**
 * Refuses, before anything is allocated, what is larger than all memory that the process can have: systems promise such
 * memory, and end the process once it is used. Platforms that do not tell their memory refuse by a RangeError.
 *
 * Throws OutOfMemoryError with the bytes that `what` needs and the way out.
 */
export function checkMemory(bytes: number, what: string, wayOut: string): void {
  if (bytes < SMALL) return;
  const total = totalMemory();
  if (bytes <= total) return;
  throw new OutOfMemoryError(`${what} needs ${inBytes(bytes)}, there are ${inBytes(total)} in all; ${wayOut}`);
}

/** What a RangeError of an allocation means. Other errors are given back as they are. */
export function memoryError(error: unknown, what: string, wayOut: string): unknown {
  return error instanceof RangeError
    ? new OutOfMemoryError(`${what} does not fit into memory (${error.message}); ${wayOut}`, { cause: error })
    : error;
}

function totalMemory(): number {
  const { process } = globalThis as { readonly process?: Process };
  const limit = process?.constrainedMemory?.() || Infinity; // 0 where there is none
  return Math.min(limit, process?.getBuiltinModule?.("node:os")?.totalmem() ?? Infinity);
}

/** `1.2 GB`, in decimal units. */
function inBytes(bytes: number): string {
  const units = ["bytes", "kB", "MB", "GB", "TB", "PB", "EB"];
  const power = Math.min(Math.floor(Math.log10(Math.max(bytes, 1)) / 3), units.length - 1);
  return `${power === 0 ? bytes : (bytes / 1000 ** power).toPrecision(3)} ${units[power]}`;
}
