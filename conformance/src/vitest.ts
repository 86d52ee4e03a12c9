import type { Backend } from "@residual/core";
import { describe, expect, it } from "vitest";
import type { Check } from "./report/types.ts";
import { hold, runTask } from "./suite/conform.ts";
import type { ConformOptions } from "./suite/options.ts";
import { plan } from "./suite/plan.ts";
import { titleOf } from "./suite/task.ts";

/** Sections of the quick level take less than a tenth of this; sections of the full level may take minutes. */
const TIMEOUT = 3_600_000;

/**
 * The suite as Vitest's tests, one for each section. Call `conforms` with `await` at the top of a test file:
 *
 *   await conforms(backend, { level: "quick" });
 */
export async function conforms(backend: Backend, options: ConformOptions = {}): Promise<void> {
  const { held, deviations } = await hold(backend, options);
  const tasks = await plan(options);
  describe(`${backend.name} conforms`, () => {
    for (const task of tasks) {
      it(titleOf(task), { timeout: TIMEOUT }, async ({ skip }) => {
        const { checks, skipped } = await runTask(task, held, deviations);
        skip(skipped !== undefined, skipped);
        expect(failuresAmong(checks)).toEqual([]);
      });
    }
  });
}

function failuresAmong(checks: readonly Check[]): readonly string[] {
  return checks.filter(({ passed }) => !passed).map(({ name, what, message }) => [name, what, message].join(": "));
}
