import { join } from "node:path";
import { bisect, conform, explain, type Level, levels, type Report, type Section, toJson } from "@residual/conformance";
import { checkpoint, growingReports, writeReports } from "@residual/conformance/node";
import { type ModelName, modelNameOf, modelNames } from "@residual/core";
import { makeFolder } from "@residual/kit/files";
import { backendNames, checkBackend, chooseBackend } from "@residual/pipeline";
import type { Context } from "../command.ts";
import { UsageError } from "../errors.ts";
import { oneOf } from "../names.ts";
import {
  type Bar,
  type Output,
  paragraphs,
  progressBar,
  remark,
  remarkInLines,
  say,
  sayJson,
  sayLines,
} from "../terminal.ts";
import { openImageSet } from "./images.ts";
import { words } from "./words.ts";

/** The arguments of `residual conform`. */
export interface Options extends Output {
  readonly backends: string;
  readonly models?: string;
  readonly level: "quick" | "full";
  readonly only?: string;
  readonly report?: string;
  readonly resume?: true;
  readonly bisect?: true;
  readonly images?: string;
  readonly answers?: string;
  readonly weights?: string;
  readonly limit?: number;
  readonly threads?: number;
}

/** Checks backends with the suite, or explains their differences, and prints the result. */
export async function holdAgainstSuite(options: Options, signal: Context["signal"]): Promise<void> {
  const asked = readWords(options);
  for (const name of asked.backends) await checkBackend(name, ["auto", ...backendNames]);
  const bar = progressBar();
  try {
    if (options.bisect) return await explainAll(asked, options, { signal, bar });
    const { reports, ends } = await conformAll(asked, options, { signal, bar });
    bar.end();
    if (options.report !== undefined) await writeReports(options.report, reports);
    for (const end of ends) await end();
    if (options.json) sayJson(toJson(reports));
    else sayLines(paragraphs(reports.map(words)));
    if (options.report !== undefined) remark(`written to ${join(options.report, "index.html")}`);
    if (!reports.every(({ passed }) => passed)) process.exitCode = 1;
  } finally {
    bar.end();
  }
}

interface Asked {
  readonly backends: readonly string[];
  readonly models: readonly ModelName[] | undefined;
  /** All levels, if none are named. */
  readonly only: readonly Level[] | undefined;
}

function readWords({ backends, models, only, images, answers, resume, report }: Options): Asked {
  if ((images === undefined) !== (answers === undefined)) {
    throw new UsageError("--images and --answers belong together: the pictures, and PyTorch's logits of them");
  }
  if (resume && report === undefined)
    throw new UsageError("--resume needs the --report of the run that was interrupted");
  const listed = (text: string) => text.split(",").map((each) => each.trim());
  return {
    backends: listed(backends),
    models: models === undefined ? undefined : models === "all" ? modelNames : listed(models).map(modelNamed),
    only: only === undefined ? undefined : listed(only).map((level) => oneOf(level, levels, "level")),
  };
}

const modelNamed = (name: string): ModelName =>
  modelNameOf(name) ?? oneOf(name, modelNames, "model", "residual models");

interface Work {
  readonly signal: Context["signal"];
  readonly bar: Bar;
}

interface Outcome {
  readonly reports: readonly Report[];
  /** Each removes the saved progress of a backend. */
  readonly ends: readonly (() => Promise<void>)[];
}

async function conformAll(asked: Asked, options: Options, work: Work): Promise<Outcome> {
  const { images: path, answers } = options;
  const images = path && answers ? [await openImageSet({ ...options, images: path, answers })] : [];
  const held: Awaited<ReturnType<typeof conformOne>>[] = [];
  const growing = growth(options.report);
  try {
    for (const name of asked.backends) {
      const before = held.map(({ report }) => report);
      const onReport = (report: Report) => growing.update([...before, report]);
      held.push(await conformOne(name, asked, { ...options, sets: images, onReport }, work));
    }
    return { reports: held.map(({ report }) => report), ends: held.map(({ end }) => end) };
  } catch (error) {
    await growing.flush();
    throw error;
  } finally {
    for (const set of images) await set[Symbol.asyncDispose]();
  }
}

interface Growth {
  update(reports: readonly Report[]): Promise<void>;
  /** Writes the last reports, for a run that is interrupted. */
  flush(): Promise<void>;
}

/** Reports in a folder while they grow; nothing where there is no folder. */
function growth(folder: string | undefined): Growth {
  if (folder === undefined) return { update: async () => {}, flush: async () => {} };
  const write = growingReports(folder);
  let last: readonly Report[] = [];
  return {
    update(reports) {
      last = reports;
      return write(reports);
    },
    async flush() {
      if (last.length === 0) return;
      await writeReports(folder, last);
      remark(`${join(folder, "index.html")} has the sections that are done; --resume continues the run`);
    },
  };
}

interface OneOptions extends Options {
  readonly sets: Awaited<ReturnType<typeof openImageSet>>[];
  /** Told of the report each time that it has grown. */
  readonly onReport: (report: Report) => Promise<void>;
}

async function conformOne(
  name: string,
  { models, only }: Asked,
  { level, sets, report, resume, threads, onReport }: OneOptions,
  { signal, bar }: Work,
): Promise<{ readonly report: Report; readonly end: () => Promise<void> }> {
  const { backend, description } = await chooseBackend(name, { threads, onWarning: remarkInLines });
  const onProgress: Bar["onProgress"] = ({ stage, done, total }) =>
    bar.onProgress({ stage: `${backend.name} ${stage}`, done, total });
  const asked = { level, images: sets, signal, onProgress, ...(only && { only }), ...(models && { models }) };
  if (report === undefined) return { report: await conform(backend, asked), end: async () => {} };
  await makeFolder(report);
  // a name may contain any characters
  const path = join(report, `${backend.name.replaceAll(/[^\w.-]/g, "-")}.progress`);
  const kept = await checkpoint(path, { backend: backend.name, ...description, level }, { fresh: !resume });
  if (kept.done.length > 0) remark(`${backend.name}: ${kept.done.length} sections are done already`);
  const onSection = async (section: Section, soFar: Report) => {
    await kept.onSection(section);
    await onReport(soFar);
  };
  const found = await conform(backend, { ...asked, done: kept.done, onSection });
  return { report: found, end: () => kept.end() };
}

/** A screen for each model on each backend. */
async function explainAll({ backends, models }: Asked, options: Options, { signal, bar }: Work): Promise<void> {
  const found: { readonly text: string; readonly bisection: Awaited<ReturnType<typeof bisect>> }[] = [];
  for (const name of backends) {
    const { backend } = await chooseBackend(name, { ...options, onWarning: remarkInLines });
    for (const model of models ?? (["resnet50"] as const)) {
      const onProgress: Bar["onProgress"] = ({ done, total }) => bar.onProgress({ stage: model, done, total });
      const bisection = await bisect(backend, model, { signal, onProgress });
      found.push({ text: explain(backend.name, bisection), bisection });
    }
  }
  bar.end();
  say(
    options,
    found.map(({ bisection }) => bisection),
    () => found.flatMap(({ text }) => text.split("\n")),
  );
  if (found.some(({ bisection }) => bisection.wrongNodes.length > 0 || bisection.firstWrongValue)) process.exitCode = 1;
}
