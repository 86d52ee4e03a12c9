/** Disjoint sets of the numbers from 0 to before `size`. Source: Tarjan 1975, with path halving. */
export class Sets {
  readonly #parents: Int32Array;

  constructor(size: number) {
    this.#parents = Int32Array.from({ length: size }, (_, i) => i);
  }

  /** The smallest number of the set that holds `member`. */
  first(member: number): number {
    const parents = this.#parents;
    let at = member;
    while (parents[at] !== at) at = parents[at] = parents[parents[at]!]!;
    return at;
  }

  join(a: number, b: number): void {
    const [first, second] = [this.first(a), this.first(b)];
    this.#parents[Math.max(first, second)] = Math.min(first, second);
  }

  /** The sets of two members or more, each in ascending order. */
  groups(): readonly (readonly number[])[] {
    const groups = new Map<number, number[]>();
    for (let member = 0; member < this.#parents.length; member++) {
      const first = this.first(member);
      if (first === member) continue;
      const group = groups.get(first) ?? [first];
      group.push(member);
      groups.set(first, group);
    }
    return [...groups.values()];
  }
}
