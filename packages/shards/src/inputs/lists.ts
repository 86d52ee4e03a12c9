import type { ReadStream } from "node:fs";
import { open } from "node:fs/promises";
import { createInterface } from "node:readline";
import { FormatError } from "@residual/core";
import { parse } from "csv-parse";
import { asyncBufferFromFile, parquetMetadataAsync, parquetReadObjects } from "hyparquet";

type Images = AsyncGenerator<string, void, undefined>;

/** Fields of a list that may hold the picture; the first that a list has is taken. */
const FIELDS = ["image", "path", "url", "file"];

/**
 * Readers of lists, by extension. Each gives the paths and URLs of its file, a part of the file at a time. Relative
 * paths are relative to the current folder.
 */
export const lists: { readonly [extension: string]: (path: string) => Images } = {
  ".txt": text,
  ".jsonl": jsonLines,
  ".ndjson": jsonLines,
  ".csv": csv,
  ".parquet": parquet,
};

/** A stream that is opened fails here, where the error can be caught, and not at the first byte. */
const opened = async (path: string): Promise<ReadStream> => (await open(path)).createReadStream();

async function* text(path: string): Images {
  yield* linesOf(await opened(path));
}

/** One path or URL a line; empty lines are skipped. */
export async function* linesOf(input: NodeJS.ReadableStream): Images {
  for await (const line of createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY })) {
    const image = line.replace(/^\uFEFF/, "");
    if (image.trim() !== "") yield image;
  }
}

/** A text or an object a line. */
async function* jsonLines(path: string): Images {
  let line = 0;
  for await (const text of linesOf(await opened(path))) {
    line++;
    yield imageIn(parsed(text), `${path}, line ${line}`);
  }
}

async function* csv(path: string): Images {
  let line = 0;
  const rows = (await opened(path)).pipe(parse({ columns: true, bom: true, skip_empty_lines: true }));
  for await (const row of rows) yield imageIn(row, `${path}, row ${++line}`);
}

/** A row group at a time. */
async function* parquet(path: string): Images {
  const file = await asyncBufferFromFile(path);
  const metadata = await parquetMetadataAsync(file);
  const column = FIELDS.find((name) => metadata.schema.some((each) => each.name === name));
  if (column === undefined) throw new FormatError(`${path}: found no column ${FIELDS.join(", ")}; name one of them so`);
  let start = 0;
  for (const { num_rows } of metadata.row_groups) {
    const end = start + Number(num_rows);
    const rows = await parquetReadObjects({ file, metadata, columns: [column], rowStart: start, rowEnd: end });
    for (const [at, row] of rows.entries()) yield imageIn(row, `${path}, row ${start + at + 1}`);
    start = end;
  }
}

function imageIn(value: unknown, where: string): string {
  const fields = (typeof value === "object" && value !== null ? value : {}) as { readonly [field: string]: unknown };
  const image = typeof value === "string" ? value : FIELDS.map((name) => fields[name]).find((found) => found != null);
  if (typeof image === "string" && image !== "") return image;
  throw new FormatError(`${where}: found no picture, expected a text in one of the fields ${FIELDS.join(", ")}`);
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined; // reported as a line without a picture
  }
}
