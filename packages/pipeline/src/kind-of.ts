/** A description of a value: `null`, `"onx"`, `5`, `a function`, `an object { name, run }`. */
export function kindOf(value: unknown): string {
  if (typeof value === "string") return JSON.stringify(value.length > 40 ? `${value.slice(0, 40)}…` : value);
  if (Array.isArray(value)) return `an array of ${value.length}`;
  if (typeof value === "function" || typeof value === "symbol") return `a ${typeof value}`;
  if (typeof value !== "object" || value === null) return String(value);
  const names = Object.keys(value);
  const shown = names.slice(0, 6).join(", ");
  const { name = "Object" } = (value.constructor ?? {}) as { readonly name?: string };
  const what = name === "Object" ? "an object" : `an object of ${name}`;
  if (names.length === 0) return `${what} {}`;
  return `${what} { ${shown}${names.length > 6 ? ", …" : ""} }`;
}

/** Whether a value can have fields. */
export function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null;
}
