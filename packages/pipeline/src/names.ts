import { closest, distance } from "fastest-levenshtein";
import { UsageError } from "./errors.ts";

/** How many names an error lists; of more it says where they are listed. */
const LISTED = 12;

/** The name itself, if it is one of those; else a UsageError that says which it may have been meant to be. */
export function oneOf<Name extends string>(name: string, names: readonly Name[], what: string, where = ""): Name {
  const found = names.find((each) => each === name);
  if (found !== undefined) return found;
  const nearest = nearestTo(name, names);
  const rest = names.length > LISTED && where !== "" ? `see ${where}` : `there are ${names.join(", ")}`;
  throw new UsageError(`there is no ${what} ${quoted(name)}; ${nearest ? `did you mean ${nearest}?` : rest}`);
}

/** What was most likely meant, whatever its case; undefined where nothing is near. */
function nearestTo(name: string, names: readonly string[]): string | undefined {
  const small = name.toLowerCase();
  const nearest = closest(small, names);
  return distance(small, nearest) <= Math.max(2, name.length / 3) ? nearest : undefined;
}

/** A name that is nothing, or has blanks, is hard to see without. */
const quoted = (name: string): string => (/^\S+$/.test(name) ? name : JSON.stringify(name));
