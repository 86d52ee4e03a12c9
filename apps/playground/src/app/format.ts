import type { Progress } from "@residual/core";

/** Bytes in decimal units, as file managers and download pages have them. */
export function bytes(count: number): string {
  if (count < 1e6) return `${Math.round(count / 1e3)} kB`;
  return `${(count / 1e6).toFixed(count < 1e8 ? 1 : 0)} MB`;
}

export function milliseconds(ms: number): string {
  if (ms >= 1000) return `${(ms / 1000).toFixed(2)} s`;
  return `${ms.toFixed(ms < 10 ? 1 : 0)} ms`;
}

export const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;

/** Short facts in a line. */
export const dotted = (facts: readonly (string | undefined)[]): string =>
  facts.filter((fact) => fact !== undefined).join("\u2002·\u2002");

/** Downloads and files are counted in bytes, other stages in steps. A file's size may be unknown: an infinite total. */
export function progressWords({ stage, done, total }: Progress): string {
  if (!/download|read/.test(stage)) return stage;
  return total === Infinity ? `${stage}, ${bytes(done)}` : `${stage}, ${bytes(done)} of ${bytes(total)}`;
}

/** The share that is done, if it is known. */
export const shareOf = ({ done, total }: Progress): number | undefined =>
  total > 0 && total < Infinity ? done / total : undefined;
