import { closest, distance } from "fastest-levenshtein";

/** The most names in a message. For more names, a message gives the command that lists them. */
const LISTED = 12;

/** A number with its noun: `1 class`, `10 classes`. */
export function counted(count: number, one: string, many = `${one}s`): string {
  return `${count} ${count === 1 ? one : many}`;
}

/** The message for an unknown name: with the nearest name, else all names, else `where` they are listed. */
export function unknownName(name: string, names: readonly string[], what: string, where = ""): string {
  const nearest = nearestTo(name, names);
  const rest = names.length > LISTED && where !== "" ? `see ${where}` : `there are ${names.join(", ")}`;
  return `there is no ${what} ${quoted(name)}; ${nearest ? `did you mean ${nearest}?` : rest}`;
}

/**
 * The most likely name, ignoring case: the only name with this ending (webgl: tfjs-webgl), else the nearest. Undefined
 * if none is near. Endings of three letters (cpu, gpu) are too ambiguous.
 */
export function nearestTo(name: string, names: readonly string[]): string | undefined {
  const small = name.toLowerCase();
  const [ending, ...more] = names.filter((each) => each.endsWith(`-${small}`));
  if (ending !== undefined && more.length === 0 && small.length > 3) return ending;
  const nearest = closest(small, names);
  return distance(small, nearest) <= Math.max(2, name.length / 3) ? nearest : undefined;
}

/** Quotes a name that is empty or has blanks. */
const quoted = (name: string): string => (/^\S+$/.test(name) ? name : JSON.stringify(name));
