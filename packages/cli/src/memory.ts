import { freemem } from "node:os";
import { concrete, type Graph, OutOfMemoryError, sizeOf, valuesOf } from "@residual/core";

/**
 * Throws OutOfMemoryError if the graph's input and its largest value exceed the free memory: the system would kill a
 * process that tried. `way` is the advice.
 */
export function checkMemory(graph: Graph, way: string): void {
  const float32Bytes = ({ shape }: { readonly shape: Graph["inputs"][string]["shape"] }) =>
    4 * sizeOf(concrete(shape, 1));
  const inputs = Object.values(graph.inputs).reduce((sum, input) => sum + float32Bytes(input), 0);
  const largest = valuesOf(graph).reduce((most, value) => Math.max(most, float32Bytes(value)), 0);
  const needed = inputs + largest;
  const left = Math.min(freemem(), process.constrainedMemory() || Number.POSITIVE_INFINITY);
  if (needed <= left) return;
  throw new OutOfMemoryError(
    `${graph.name} needs at least ${gib(needed)} for its input and its largest value, and ${gib(left)} are left; ${way}`,
  );
}

const gib = (bytes: number): string => `${(bytes / 2 ** 30).toFixed(1)} GiB`;
