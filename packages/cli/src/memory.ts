import { freemem } from "node:os";
import { concrete, type Graph, OutOfMemoryError, sizeOf, valuesOf } from "@residual/core";

/**
 * Throws OutOfMemoryError for a graph of which one value alone, beside the graph's input, is larger than the memory
 * that is left: a process that tried would be ended by the system, without a word. `way` says what to make smaller.
 */
export function checkMemory(graph: Graph, way: string): void {
  const bytesOf = ({ shape }: { readonly shape: Graph["inputs"][string]["shape"] }) => 4 * sizeOf(concrete(shape, 1));
  const inputs = Object.values(graph.inputs).reduce((sum, input) => sum + bytesOf(input), 0);
  const largest = valuesOf(graph).reduce((most, value) => Math.max(most, bytesOf(value)), 0);
  const needed = inputs + largest;
  const left = Math.min(freemem(), process.constrainedMemory() || Number.POSITIVE_INFINITY);
  if (needed <= left) return;
  throw new OutOfMemoryError(
    `${graph.name} needs at least ${gib(needed)} for its input and its largest value, and ${gib(left)} are left; ${way}`,
  );
}

const gib = (bytes: number): string => `${(bytes / 2 ** 30).toFixed(1)} GiB`;
