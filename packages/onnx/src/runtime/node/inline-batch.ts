import { concrete, constantsOf, type Graph, macsOf, nodesOf, sizeOf } from "@residual/core";

/** The most work of a run that may block the event loop, in multiply-adds: 8 ms on a core with 2³⁴ per second. */
export const MOST_INLINE: number = 2 ** 27;

/** The time to read or write one number, in multiply-adds: 1 ns. */
const PER_NUMBER = 16;

/** The time that onnxruntime needs to start a node, in multiply-adds: 2 µs. */
const PER_NODE = 2 ** 15;

/**
 * The largest batch whose run is short enough to block the event loop, which saves messages to a thread. 0 if there is
 * none, Infinity if every batch is, as with a fixed batch.
 */
export function largestInlineBatch(graph: Graph, most: number = MOST_INLINE): number {
  if (most === Infinity) return Infinity;
  const [one, two] = [workOf(graph, 1), workOf(graph, 2)];
  if (one > most) return 0;
  const perImage = two - one; // the cost of each further image
  if (perImage > 0 && graph.updates.length > 0) return 0; // only one session can hold the state
  return perImage === 0 ? Infinity : 1 + Math.floor((most - one) / perImage);
}

/** The cost of a run, in multiply-adds. */
export function workOf(graph: Graph, batch: number): number {
  const nodes = nodesOf(graph);
  const numbers =
    nodes.reduce((sum, { shape }) => sum + sizeOf(concrete(shape, batch)), 0) +
    constantsOf(graph).reduce((sum, { shape }) => sum + sizeOf(shape), 0);
  const macs = nodes.reduce((sum, node) => sum + macsOf(node, batch), 0);
  return macs + PER_NUMBER * numbers + PER_NODE * nodes.length;
}
