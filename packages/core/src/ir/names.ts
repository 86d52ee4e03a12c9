/** The wanted name, or the first of `wanted_1`, `wanted_2` … that is not in `taken`. Adds the result to `taken`. */
export function freeName(wanted: string, taken: Set<string>): string {
  let name = wanted;
  for (let count = 1; taken.has(name); count++) name = `${wanted}_${count}`;
  taken.add(name);
  return name;
}

/** The record with each value mapped. */
export function mapValues<A, B>(
  record: { readonly [name: string]: A },
  change: (value: A, name: string) => B,
): { [name: string]: B } {
  return Object.fromEntries(Object.entries(record).map(([name, value]) => [name, change(value, name)]));
}
