import { readFile } from "node:fs/promises";
import { FormatError } from "@residual/core";
import { asyncBufferFromFile, parquetReadObjects, type SchemaElement } from "hyparquet";
import { parquetWriteBuffer } from "hyparquet-writer";
import { imageCount, type Job, shardPath } from "../job.ts";
import type { Manifest } from "../manifest.ts";
import type { Output, Row } from "../row.ts";

type Element = SchemaElement;
const text = (name: string): Element => ({ name, type: "BYTE_ARRAY", converted_type: "UTF8" });
const whole = (name: string): Element => ({ name, type: "INT32" });
const double = (name: string): Element => ({ name, type: "DOUBLE" });
const list = (name: string, element: readonly Element[]): readonly Element[] => [
  { name, converted_type: "LIST", num_children: 1 },
  { name: "list", repetition_type: "REPEATED", num_children: 1 },
  ...element,
];

/** The columns of each output, and their elements in Parquet's schema. */
const columns: { readonly [O in Output | "always"]: { readonly [name: string]: readonly Element[] } } = {
  always: {
    image: [text("image")],
    error: [text("error")],
    message: [text("message")],
    width: [whole("width")],
    height: [whole("height")],
  },
  predictions: {
    label: [text("label")],
    index: [whole("index")],
    probability: [double("probability")],
    top: list("top", [{ name: "element", num_children: 3 }, text("label"), whole("index"), double("probability")]),
  },
  embedding: { embedding: list("embedding", [{ name: "element", type: "FLOAT" }]) },
};

/** The bytes of a shard's file. */
export function encodeRows(
  rows: readonly Row[],
  { format, outputs }: Pick<Manifest, "format" | "outputs">,
): Uint8Array {
  if (format === "jsonl") return Buffer.from(rows.map((row) => `${JSON.stringify(row)}\n`).join(""));
  const all = Object.entries(Object.assign({}, columns.always, ...outputs.map((output) => columns[output])) as Columns);
  const schema = all.flatMap(([, elements]) =>
    elements.map((each) => ({ repetition_type: "OPTIONAL" as const, ...each })),
  );
  const columnData = all.map(([name]) => ({ name, data: rows.map((row) => row[name as keyof Row]) }));
  return new Uint8Array(
    parquetWriteBuffer({ columnData, schema: [{ name: "root", num_children: all.length }, ...schema] }),
  );
}

type Columns = (typeof columns)["always"];

/** The rows of a finished shard, in order. Throws FormatError for a file that is missing or damaged. */
export async function readShard(job: Job, shard: number): Promise<readonly Row[]> {
  const path = shardPath(job, shard);
  const damaged = (what: string, cause?: unknown) =>
    new FormatError(`${path}: ${what}; remove it, and run the job again`, { cause });
  const rows = await decodeRows(path, job.manifest).catch((cause: unknown) => {
    throw damaged("it cannot be read", cause);
  });
  const expected = imageCount(job, shard);
  if (rows.length !== expected) throw damaged(`it has ${rows.length} rows, expected ${expected}`);
  return rows;
}

async function decodeRows(path: string, { format }: Pick<Manifest, "format">): Promise<readonly Row[]> {
  if (format === "parquet") {
    const rows = await parquetReadObjects({ file: await asyncBufferFromFile(path) });
    return rows.map((row) => Object.fromEntries(Object.entries(row).map(([k, value]) => [k, value ?? null])) as Row);
  }
  const lines = (await readFile(path, "utf8")).split("\n").slice(0, -1);
  return lines.map((line) => JSON.parse(line) as Row);
}
