import { type Backend, type BackendDescription, type Deviation, throwIfAborted } from "@residual/core";
import type { Check, Report, Section } from "../report/types.ts";
import { arithmeticOf } from "./arithmetic.ts";
import { inWords } from "./behaviour/subject.ts";
import { checkDeviations, withDeviations } from "./deviations.ts";
import { environment } from "./environment.ts";
import { folderOf } from "./goldens.ts";
import type { ConformOptions } from "./options.ts";
import { plan } from "./plan.ts";
import { type BackendUnderTest, type Task, titleOf } from "./task.ts";
import { lackOfTraining } from "./training/ability.ts";

/**
 * Tests a backend with the suite. Any object that is a Backend will do.
 *
 * A failed check is in the report and is not thrown. Throws BackendUnavailableError if the backend's runtime is
 * missing, and AbortError if `signal` aborts. `onSection` has received all finished sections by then.
 */
export async function conform(backend: Backend, options: ConformOptions = {}): Promise<Report> {
  const { held, description, deviations } = await hold(backend, options);
  const [tasks, reportOf] = await Promise.all([plan(options), reporter(backend.name, description, options)]);
  const done = new Map(options.done?.map((section) => [titleOf(section), section]));
  const sections: Section[] = [];
  for (const [i, task] of tasks.entries()) {
    const stage = titleOf(task);
    const tell = (part: number) => options.onProgress?.({ stage, done: i + part, total: tasks.length });
    tell(0);
    const before = done.get(stage);
    const onPart: BackendUnderTest["onPart"] = (some, all) => tell(some / all);
    const section = before ?? (await runTask(task, { ...held, onPart }, deviations));
    sections.push(section);
    if (!before) await options.onSection?.(section, reportOf(sections, tasks.length));
  }
  return reportOf(sections, tasks.length);
}

/** Makes reports of the sections that have run, out of `total`. The time counts from this call. */
async function reporter(
  name: string,
  description: BackendDescription,
  { level = "quick" }: ConformOptions,
): Promise<(sections: readonly Section[], total: number) => Report> {
  const [begin, started] = [performance.now(), new Date().toISOString()];
  const common = { backend: { name, ...description }, level, environment: await environment(), started };
  return (sections, total) => {
    const checks = sections.flatMap((section) => section.checks);
    const remaining = total - sections.length;
    return {
      ...common,
      milliseconds: Math.round(performance.now() - begin),
      passed: remaining === 0 && checks.length > 0 && checks.every(({ passed }) => passed),
      ...(remaining > 0 && { remaining }),
      sections: [...sections],
    };
  };
}

/** Runs one section. An error of the backend is a failed check and does not end the run. */
export async function runTask(task: Task, held: BackendUnderTest, deviations: readonly Deviation[]): Promise<Section> {
  const begin = performance.now();
  const checks: Check[] = [];
  const { level, name, variant } = task;
  const skipped = task.skipped ?? (task.isForTrainers ? await lackOfTraining(held) : undefined);
  if (skipped === undefined) {
    try {
      for await (const check of task.run(held)) {
        throwIfAborted(held.work.signal);
        checks.push(check);
      }
    } catch (error) {
      throwIfAborted(held.work.signal);
      checks.push(broken(error));
    }
  }
  const common = { level, name, ...(variant === undefined ? {} : { variant }) };
  const milliseconds = Math.round(performance.now() - begin);
  if (skipped !== undefined) return { ...common, milliseconds, checks, skipped };
  return { ...common, milliseconds, checks: withDeviations(checks, deviations) };
}

/** The failed check of a backend that throws an unexpected error. */
function broken(error: unknown): Check {
  return { name: "runs to its end", passed: false, message: inWords(error) };
}

/**
 * The backend with its description: its arithmetic, and its known deviations. Throws UnsupportedError for an algorithm
 * or a trait that the suite does not know.
 */
export async function hold(
  backend: Backend,
  options: Pick<ConformOptions, "signal" | "deviations" | "goldens">,
): Promise<{ held: BackendUnderTest; description: BackendDescription; deviations: readonly Deviation[] }> {
  const description = await backend.describe();
  const deviations = [...(description.deviations ?? []), ...(options.deviations ?? [])];
  checkDeviations(deviations);
  const work = { signal: options.signal };
  const goldens = folderOf(options);
  const held = { backend, arithmetic: arithmeticOf(description), goldens, work, onPart: () => {} };
  return { held, description, deviations };
}
