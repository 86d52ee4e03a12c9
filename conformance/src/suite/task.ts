import type { Backend, WorkOptions } from "@residual/core";
import type { Check, Level, Section } from "../report/types.ts";
import type { Arithmetic } from "./arithmetic.ts";

/** The backend that is held against the suite, and the arithmetic that it says it has. */
export interface Held {
  readonly backend: Backend;
  readonly arithmetic: Arithmetic;
  readonly work: WorkOptions;
}

/** A section that has not been run yet. */
export interface Task extends Pick<Section, "level" | "name" | "variant"> {
  /** Its checks, each as soon as it is known. */
  run(held: Held): AsyncIterable<Check>;
  /** Why there is nothing to run. */
  readonly skipped?: string;
}

/** The checks of a section that has nothing to run. */
export async function* nothing(): AsyncGenerator<Check> {}

/** What tells a section from all others: `nodes/resnet50/optimized 1×3×64×64`. */
export function titleOf({ level, name, variant }: { level: Level; name: string; variant?: string }): string {
  return [level, name, ...(variant === undefined ? [] : [variant])].join("/");
}
