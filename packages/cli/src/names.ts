import { closest, distance } from "fastest-levenshtein";
import { UsageError } from "./errors.ts";

/** The name itself, if it is one of those; else a UsageError that says which it may have been meant to be. */
export function oneOf<Name extends string>(name: string, names: readonly Name[], what: string): Name {
  const found = names.find((each) => each === name);
  if (found !== undefined) return found;
  const nearest = closest(name, names as readonly string[] as string[]);
  const near = distance(name, nearest) <= Math.max(2, name.length / 3) ? `; did you mean ${nearest}?` : "";
  throw new UsageError(`there is no ${what} ${name}${near}${near ? "" : `; there are ${names.join(", ")}`}`);
}
