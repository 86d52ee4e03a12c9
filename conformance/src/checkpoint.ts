import { appendFile, readFile, rm, writeFile } from "node:fs/promises";
import type { ConformOptions } from "./options.ts";
import { parse, stringify } from "./report/numbers-json.ts";
import type { Section } from "./report/types.ts";

/** What `conform` needs to go on where an earlier run was interrupted. */
export interface Checkpoint extends Required<Pick<ConformOptions, "done" | "onSection">> {
  /** The run is complete: nothing needs to be kept. */
  end(): Promise<void>;
}

/**
 * Keeps sections in a file as they are done, a line of JSON each. The first line says what they are sections `of` (the
 * backend with its versions, the level): where that is another, nothing is taken over, nor is it with `fresh`. A line
 * cut short is left out.
 */
export async function checkpoint(path: string, of: unknown, { fresh = false } = {}): Promise<Checkpoint> {
  const head = stringify(of);
  const before = fresh ? "" : await readFile(path, "utf8").catch(() => "");
  const [first, ...lines] = before.split("\n");
  const done = first === head ? lines.flatMap(sectionOf) : [];
  await writeFile(path, [head, ...done.map(stringify), ""].join("\n"));
  return {
    done,
    onSection: (section) => appendFile(path, `${stringify(section)}\n`),
    end: () => rm(path, { force: true }),
  };
}

function sectionOf(line: string): Section[] {
  try {
    const section = parse(line) as Section;
    return Array.isArray(section.checks) ? [section] : [];
  } catch {
    return [];
  }
}
