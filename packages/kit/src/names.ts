import { closest, distance } from "fastest-levenshtein";

/** How many names a message lists; above that it says where they are listed. */
const LISTED = 12;

/** A number and what it counts: `1 class`, `10 classes`. */
export function counted(count: number, one: string, many = `${one}s`): string {
  return `${count} ${count === 1 ? one : many}`;
}

/** The sentence for a name that does not exist: the nearest name, else all of them, else `where` they are listed. */
export function unknownName(name: string, names: readonly string[], what: string, where = ""): string {
  const nearest = nearestTo(name, names);
  const rest = names.length > LISTED && where !== "" ? `see ${where}` : `there are ${names.join(", ")}`;
  return `there is no ${what} ${quoted(name)}; ${nearest ? `did you mean ${nearest}?` : rest}`;
}

/**
 * What was most likely meant, whatever its case: the only name that ends so (webgl: tfjs-webgl), else the nearest.
 * Undefined where nothing is near; three letters (cpu, gpu) are no ending that says what was meant.
 */
export function nearestTo(name: string, names: readonly string[]): string | undefined {
  const small = name.toLowerCase();
  const [ending, ...more] = names.filter((each) => each.endsWith(`-${small}`));
  if (ending !== undefined && more.length === 0 && small.length > 3) return ending;
  const nearest = closest(small, names);
  return distance(small, nearest) <= Math.max(2, name.length / 3) ? nearest : undefined;
}

/** A name that is empty, or has blanks, is hard to see without quotes. */
const quoted = (name: string): string => (/^\S+$/.test(name) ? name : JSON.stringify(name));
