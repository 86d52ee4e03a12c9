import { type Dispatch, keyOf, type Storage } from "./plan.ts";

/**
 * The order in which dispatches run, as their indices. A dispatch that only updates of variables depend on runs as soon
 * as its inputs are known; the others keep their order. So the gradient of a parameter is applied at once, and does not
 * wait in memory, with all that it is computed from, for the gradients of the layers before it.
 */
export function scheduleOf(dispatches: readonly Dispatch[], outputs: readonly Storage[]): readonly number[] {
  const made = new Map(dispatches.map(({ output }, i) => [keyOf({ kind: "value", id: output }), i]));
  const producersOf = (storages: readonly Storage[]) => storages.flatMap((each) => made.get(keyOf(each)) ?? []);
  const inputs = dispatches.map((dispatch) => new Set(producersOf(dispatch.inputs)));
  const isForOutputs = new Set<number>();
  const open = [...producersOf(outputs)];
  for (let i = open.pop(); i !== undefined; i = open.pop()) {
    if (isForOutputs.has(i)) continue;
    isForOutputs.add(i);
    open.push(...inputs[i]!);
  }
  const readers = dispatches.map((): number[] => []);
  for (const [i, each] of inputs.entries()) for (const producer of each) readers[producer]!.push(i);
  const missing = inputs.map(({ size }) => size);
  const order: number[] = [];
  const run = (first: number) => {
    const ready = [first];
    for (let i = ready.shift(); i !== undefined; i = ready.shift()) {
      order.push(i);
      for (const reader of readers[i]!) {
        missing[reader]!--;
        if (missing[reader] === 0 && !isForOutputs.has(reader)) ready.push(reader);
      }
    }
  };
  for (const [i] of dispatches.entries()) {
    if (isForOutputs.has(i) || inputs[i]!.size === 0) run(i);
  }
  return order;
}
