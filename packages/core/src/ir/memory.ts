import { OutOfMemoryError } from "./errors.ts";

/** In bytes. Smaller allocations are not checked: they do not fail in practice, and the check would take longer. */
const SMALL = 64 << 20;

/** The part of Node's `process` (also in Deno and Bun) that reports the amount of memory. */
interface Process {
  constrainedMemory?(): number | undefined;
  getBuiltinModule?(name: "node:os"): { totalmem(): number } | undefined;
}

/**
 * Throws before an allocation that exceeds all memory of the process: operating systems grant such an allocation, and
 * kill the process once the memory is used. On platforms that do not report their memory, the allocation itself throws
 * a RangeError.
 *
 * Throws OutOfMemoryError with the bytes that `what` needs and the way out.
 */
export function checkMemory(bytes: number, what: string, wayOut: string): void {
  if (bytes < SMALL) return;
  const total = totalMemory();
  if (bytes <= total) return;
  throw new OutOfMemoryError(`${what} needs ${inBytes(bytes)}, this process can have ${inBytes(total)}; ${wayOut}`);
}

/** Turns the RangeError of an allocation into an OutOfMemoryError. Other errors are returned unchanged. */
export function memoryError(error: unknown, what: string, wayOut: string): unknown {
  return error instanceof RangeError
    ? new OutOfMemoryError(`${what} does not fit into memory (${error.message}); ${wayOut}`, { cause: error })
    : error;
}

function totalMemory(): number {
  const { process } = globalThis as { readonly process?: Process };
  const limit = process?.constrainedMemory?.() || Infinity; // 0 without a limit
  return Math.min(limit, process?.getBuiltinModule?.("node:os")?.totalmem() ?? Infinity);
}

/** `1.2 GB`, in decimal units. */
function inBytes(bytes: number): string {
  const units = ["bytes", "kB", "MB", "GB", "TB", "PB", "EB"];
  const power = Math.min(Math.floor(Math.log10(Math.max(bytes, 1)) / 3), units.length - 1);
  return `${power === 0 ? bytes : (bytes / 1000 ** power).toPrecision(3)} ${units[power]}`;
}
