/**
 * What pages fetch, compared with the budgets: a table, and a sentence for each package that grew past its own.
 * `turbo run build` comes first.
 */
import { budgets, mostOf } from "./budgets.ts";
import { excesses, weigh } from "./weigh.ts";

for (const budget of budgets) {
  const weight = await weigh(budget);
  const kb = [...weight].map(([owner, bytes]) => `${owner} ${(bytes / 1000).toFixed(1)}`);
  const total = [...weight.values()].reduce((sum, bytes) => sum + bytes, 0) / 1000;
  console.log(`| ${budget.name} | ${total.toFixed(1)} of ${mostOf(budget)} kB | ${kb.toSorted().join(", ")} |`);
  for (const excess of excesses(budget, weight)) {
    console.log(excess);
    process.exitCode = 1;
  }
}
