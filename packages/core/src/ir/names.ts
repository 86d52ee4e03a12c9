/** A name that is not taken yet: the wanted one, or with `_1`, `_2` … behind it. The name is taken from then on. */
export function freeName(wanted: string, taken: Set<string>): string {
  let name = wanted;
  for (let count = 1; taken.has(name); count++) name = `${wanted}_${count}`;
  taken.add(name);
  return name;
}

/** The same record with each value changed. */
export function mapValues<A, B>(
  record: { readonly [name: string]: A },
  change: (value: A, name: string) => B,
): { [name: string]: B } {
  return Object.fromEntries(Object.entries(record).map(([name, value]) => [name, change(value, name)]));
}
