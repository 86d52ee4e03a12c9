/** One step of a program: the values that it reads, and the one value that it writes. */
export interface Step<Value> {
  readonly reads: readonly Value[];
  readonly writes: Value;
}

/**
 * For each step, the values whose memory is free after it: the values that it is the last to read, in its order, and
 * its own value if no step reads that. Values in `kept` outlive the program, such as outputs and weights, and are never
 * listed.
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
