import { concrete, constantsOf, type Graph, macsOf, nodesOf, sizeOf } from "@residual/core";

/** Work of a run that may hold the event loop up, in multiply-adds: 8 ms on a core that does 2³⁴ of them a second. */
export const MOST_INLINE: number = 2 ** 27;

/** Multiply-adds that take as long as one number takes to be read or written: 1 ns. */
const PER_NUMBER = 16;

/** Multiply-adds that take as long as onnxruntime takes to begin any node: 2 µs. */
const PER_NODE = 2 ** 15;

/**
 * The largest batch whose run is so short that it may hold the event loop up, rather than pay for messages to a thread:
 * 0 where none is, Infinity where all are, as for a fixed batch.
 */
export function largestInlineBatch(graph: Graph, most: number = MOST_INLINE): number {
  if (most === Infinity) return Infinity;
  const [one, two] = [workOf(graph, 1), workOf(graph, 2)];
  if (one > most) return 0;
  const perImage = two - one; // the same for each
  if (perImage > 0 && graph.updates.length > 0) return 0; // state can be in one session only
  return perImage === 0 ? Infinity : 1 + Math.floor((most - one) / perImage);
}

/** What a run costs, in multiply-adds. */
export function workOf(graph: Graph, batch: number): number {
  const nodes = nodesOf(graph);
  const numbers =
    nodes.reduce((sum, { shape }) => sum + sizeOf(concrete(shape, batch)), 0) +
    constantsOf(graph).reduce((sum, { shape }) => sum + sizeOf(shape), 0);
  const macs = nodes.reduce((sum, node) => sum + macsOf(node, batch), 0);
  return macs + PER_NUMBER * numbers + PER_NODE * nodes.length;
}
