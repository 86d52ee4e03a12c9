import type { Backend, WorkOptions } from "@residual/core";
import type { Check, Level, Section } from "../report/types.ts";
import type { Arithmetic } from "./arithmetic.ts";

/** The backend under test, and its declared arithmetic. */
export interface BackendUnderTest {
  readonly backend: Backend;
  readonly arithmetic: Arithmetic;
  /** The URL of the folder with PyTorch's answers. */
  readonly goldens: string;
  readonly work: WorkOptions;
  /** Called with the finished part of the running section. Both numbers have the section's own unit. */
  readonly onPart: (done: number, total: number) => void;
}

/** A section that has not been run yet. */
export interface Task extends Pick<Section, "level" | "name" | "variant"> {
  /** Yields each check when it is finished. */
  run(held: BackendUnderTest): AsyncIterable<Check>;
  /** The reason why the section has nothing to run. */
  readonly skipped?: string;
  /** Whether the section is skipped on a backend that does not train. Otherwise its checks fail there. */
  readonly isForTrainers?: boolean;
}

/** Passes checks on and calls `onPart` after each. `total` is the number of checks in the section. */
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
