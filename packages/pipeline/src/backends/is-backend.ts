import type { Backend } from "@residual/core";

/** Whether a value has the methods of a backend. */
export function isBackend(value: unknown): value is Backend {
  const { name, describe, compile } = (value ?? {}) as Partial<Record<keyof Backend, unknown>>;
  return typeof name === "string" && typeof describe === "function" && typeof compile === "function";
}
