import type { Backend } from "@residual/core";

/** Whether a value has what every backend has. */
export function isBackend(value: unknown): value is Backend {
  const { name, describe, compile } = (value ?? {}) as Partial<Record<keyof Backend, unknown>>;
  return typeof name === "string" && typeof describe === "function" && typeof compile === "function";
}
