import type { Backend, WorkOptions } from "@residual/core";
import type { Check, Level, Section } from "../report/types.ts";
import type { Arithmetic } from "./arithmetic.ts";

/** The backend under test, and its declared arithmetic. */
export interface BackendUnderTest {
  readonly backend: Backend;
  readonly arithmetic: Arithmetic;
  readonly work: WorkOptions;
  /** Told how much of the running section is done; both numbers are in the section's own unit. */
  readonly onPart: (done: number, total: number) => void;
}

/** A section that has not been run yet. */
export interface Task extends Pick<Section, "level" | "name" | "variant"> {
  /** Its checks, as they are finished. */
  run(held: BackendUnderTest): AsyncIterable<Check>;
  /** Why there is nothing to run. */
  readonly skipped?: string;
}

/** Passes checks on and tells `onPart` of each; `total` is how many the section has. */
export async function* counted(
  checks: AsyncIterable<Check>,
  total: number,
  { onPart }: Pick<BackendUnderTest, "onPart">,
): AsyncGenerator<Check> {
  let done = 0;
  for await (const check of checks) {
    yield check;
    onPart(++done, total);
  }
}

/** The checks of a section that has nothing to run. */
export async function* nothing(): AsyncGenerator<Check> {}

/** A unique name of a section: `nodes/resnet50/optimized 1×3×64×64`. */
export function titleOf({ level, name, variant }: { level: Level; name: string; variant?: string }): string {
  return [level, name, ...(variant === undefined ? [] : [variant])].join("/");
}
