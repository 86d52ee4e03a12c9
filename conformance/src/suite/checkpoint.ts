import { createHash } from "node:crypto";
import { appendFile, readFile, rm, writeFile } from "node:fs/promises";
import { parse, stringify } from "../report/numbers-json.ts";
import type { Section } from "../report/types.ts";

/** The state that `conform` needs to continue an interrupted run. */
export interface Checkpoint {
  /** Sections of the earlier run. */
  readonly done: readonly Section[];
  /** Stores a finished section. */
  onSection(section: Section): Promise<void>;
  /** Ends the run: the stored sections are no longer needed. */
  end(): Promise<void>;
}

/**
 * Stores finished sections in a file, one line each: the SHA-256 of the section's JSON, then the JSON.
 *
 * The first line names the run that the sections are `of` (the backend with its versions, the level). Sections of
 * another run are ignored, as are all sections with `fresh`. A line that was cut short or changed does not match its
 * digest and is left out.
 */
export async function checkpoint(path: string, of: unknown, { fresh = false } = {}): Promise<Checkpoint> {
  const head = stringify(of);
  const before = fresh ? "" : await readFile(path, "utf8").catch(() => "");
  const [first, ...lines] = before.split("\n");
  const done = first === head ? lines.flatMap(sectionOf) : [];
  await writeFile(path, [head, ...done.map(lineOf), ""].join("\n"));
  return {
    done,
    onSection: (section) => appendFile(path, `${lineOf(section)}\n`),
    end: () => rm(path, { force: true }),
  };
}

function lineOf(section: Section): string {
  const json = stringify(section);
  return `${digestOf(json)} ${json}`;
}

function sectionOf(line: string): Section[] {
  const [digest, json] = [line.slice(0, DIGITS), line.slice(DIGITS + 1)];
  return digest === digestOf(json) ? [parse(json) as Section] : [];
}

/** Hexadecimal digits of a SHA-256. */
const DIGITS = 64;

const digestOf = (json: string): string => createHash("sha256").update(json).digest("hex");
