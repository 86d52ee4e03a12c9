import type { Judged } from "../metrics/judged.ts";

/** Pictures of a cell of the confusion matrix, in the order in which it shows them, and how many it does not show. */
export interface Cell {
  readonly label: number;
  readonly predicted: number;
  readonly shown: readonly Judged[];
  readonly count: number;
}

/** The most pictures: of a cell of mistakes, of a cell of right ones, of the list of worst mistakes, and in all. */
const [MISTAKES, RIGHT, WORST, ALL] = [16, 4, 24, 600] as const;

export interface Chosen {
  readonly cells: readonly Cell[];
  readonly worst: readonly Judged[];
}

/** The pictures that a report shows: those with the largest loss of each cell, mistakes before right ones. */
export function chosenOf(judged: readonly Judged[]): Chosen {
  const byLoss = judged.toSorted((a, b) => b.loss - a.loss || a.index - b.index);
  const worst = byLoss.filter(({ rank }) => rank > 0).slice(0, WORST);
  const cells = new Map<string, Judged[]>();
  for (const each of byLoss) {
    const key = `${each.label} ${each.predicted}`;
    const cell = cells.get(key);
    if (cell) cell.push(each);
    else cells.set(key, [each]);
  }
  const isRight = ([first]: readonly Judged[]) => (first!.label === first!.predicted ? 1 : 0);
  const ordered = [...cells.values()].sort((a, b) => isRight(a) - isRight(b) || b.length - a.length);
  let left = ALL;
  return {
    worst,
    cells: ordered.map((all) => {
      const { label, predicted } = all[0]!;
      const shown = all.slice(0, Math.min(label === predicted ? RIGHT : MISTAKES, left));
      left -= shown.length;
      return { label, predicted, shown, count: all.length };
    }),
  };
}
