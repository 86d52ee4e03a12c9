/** One step of a program: what it reads, and the one value that it writes. */
export interface Step<Value> {
  readonly reads: readonly Value[];
  readonly writes: Value;
}

/**
 * For each step, the values that are not needed once it is done, so that their memory is free for later steps: those it
 * is the last to read, in its order, and its own if no step reads that. `kept` are the values that outlive the program,
 * such as outputs and weights; they are never in the answer.
 */
export function spentAfter<Value>(steps: readonly Step<Value>[], kept: Iterable<Value>): readonly (readonly Value[])[] {
  const needed = new Set(kept);
  const spent = steps.map((): Value[] => []);
  for (const [at, { reads, writes }] of [...steps.entries()].reverse()) {
    for (const value of [...reads, writes]) {
      if (needed.has(value)) continue;
      spent[at]!.push(value);
      needed.add(value); // an earlier step is not the last to need it
    }
  }
  return spent;
}
