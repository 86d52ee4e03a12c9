import {
  type Backend,
  type BackendDescription,
  type Deviation,
  type ModelName,
  throwIfAborted,
  type WorkOptions,
} from "@residual/core";
import { arithmeticOf } from "./arithmetic.ts";
import { inWords } from "./behaviour/subject.ts";
import { checkDeviations, withDeviations } from "./deviations.ts";
import { environment } from "./environment.ts";
import type { ImageSet } from "./levels/images.ts";
import { plan } from "./plan.ts";
import type { Check, Level, Report, Section } from "./report/types.ts";
import { type Held, type Task, titleOf } from "./task.ts";

export interface ConformOptions extends WorkOptions {
  /** "quick" takes at most a minute on two cores, and has small images; "full" holds every case there is. "quick" */
  readonly level?: "quick" | "full";
  /** Which levels to run. All five */
  readonly only?: readonly Level[];
  /** Sections to leave out, where they take too long on a device: by their title, as `ops/layers of the family`. */
  readonly without?: readonly string[];
  /** Which models to run. One of each kind of block, stem and shortcut for "quick", all of them for "full" */
  readonly models?: readonly ModelName[];
  /** Real pictures with PyTorch's answers; without any the level is reported as skipped. */
  readonly images?: readonly ImageSet[];
  /** Known deviations, in addition to the backend's own list. */
  readonly deviations?: readonly Deviation[];
  /** Sections of an earlier run that was interrupted: they are not run again. */
  readonly done?: readonly Section[];
  /** Told of each section as soon as it has been run, to be kept for `done`. */
  readonly onSection?: (section: Section) => void | Promise<void>;
}

/**
 * Holds a backend against the suite. Any object that is a Backend will do.
 *
 * What does not conform is in the report and no error. Throws BackendUnavailableError where the backend's runtime is
 * missing, AbortError where `signal` says so; `onSection` has by then been given all that is done.
 */
export async function conform(backend: Backend, options: ConformOptions = {}): Promise<Report> {
  const [begin, started] = [performance.now(), new Date().toISOString()];
  const { held, description, deviations } = await hold(backend, options);
  const done = new Map(options.done?.map((section) => [titleOf(section), section]));
  const tasks = await plan(options);
  const sections: Section[] = [];
  for (const [i, task] of tasks.entries()) {
    options.onProgress?.({ stage: titleOf(task), done: i, total: tasks.length });
    const before = done.get(titleOf(task));
    const section = before ?? (await runTask(task, held, deviations));
    sections.push(section);
    if (!before) await options.onSection?.(section);
  }
  const checks = sections.flatMap((section) => section.checks);
  return {
    backend: { name: backend.name, ...description },
    level: options.level ?? "quick",
    environment: await environment(),
    started,
    milliseconds: Math.round(performance.now() - begin),
    passed: checks.length > 0 && checks.every(({ passed }) => passed),
    sections,
  };
}

/** Runs one section. An error of the backend's is a failed check, not the end of the run. */
export async function runTask(task: Task, held: Held, deviations: readonly Deviation[]): Promise<Section> {
  const begin = performance.now();
  const checks: Check[] = [];
  const { level, name, variant, skipped } = task;
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

/** A backend that throws anything at all, and not just what it should, has failed; the suite has not. */
function broken(error: unknown): Check {
  return { name: "runs to its end", passed: false, message: inWords(error) };
}

/**
 * The backend with its description: its arithmetic, and its known deviations. Throws UnsupportedError for an algorithm or a
 * trait that the suite does not know.
 */
export async function hold(
  backend: Backend,
  options: Pick<ConformOptions, "signal" | "deviations">,
): Promise<{ held: Held; description: BackendDescription; deviations: readonly Deviation[] }> {
  const description = await backend.describe();
  const deviations = [...(description.deviations ?? []), ...(options.deviations ?? [])];
  checkDeviations(deviations);
  const held = { backend, arithmetic: arithmeticOf(description), work: { signal: options.signal } };
  return { held, description, deviations };
}
