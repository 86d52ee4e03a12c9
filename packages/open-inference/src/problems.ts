import type { z } from "zod";

/** What is wrong, each problem behind the path of its field: `models[0].name: Invalid input: expected string, …`. */
export function problemsOf({ issues }: z.core.$ZodError): string {
  return issues.map(({ path, message }) => [pathOf(path), message].filter(Boolean).join(": ")).join("; ");
}

function pathOf(path: readonly PropertyKey[]): string {
  return path.reduce<string>(
    (before, key) => (typeof key === "number" ? `${before}[${key}]` : [before, String(key)].filter(Boolean).join(".")),
    "",
  );
}
