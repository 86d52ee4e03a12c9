import { readdir, stat, writeFile } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { FormatError, type Graph, throwIfAborted, type WorkOptions } from "@residual/core";
import { writeFolderAtomic } from "@residual/kit/files";
import { type GraphModelOptions, type GraphModelReport, graphModelFiles } from "./export.ts";

/**
 * Writes a graph model as a folder, which appears whole or not at all. An existing graph model is replaced; other
 * folders are not.
 *
 * Throws errors of graphModelFiles, FormatError if the path is taken or the file system refuses.
 */
export async function writeGraphModel(
  graph: Graph,
  folder: string,
  options: GraphModelOptions & WorkOptions = {},
): Promise<GraphModelReport> {
  throwIfAborted(options.signal);
  await checkGraphModelFolder(folder);
  return writeFolderAtomic(folder, async (part) => {
    const report = await writeShards(graph, part, options);
    throwIfAborted(options.signal);
    return report;
  });
}

/**
 * Checks that a graph model can be written there, before work is done for it.
 *
 * Throws FormatError if the path is taken by something else, or its parent folder is missing.
 */
export async function checkGraphModelFolder(folder: string): Promise<void> {
  const path = resolve(folder);
  const status = await stat(path).catch(() => undefined);
  if (!status) {
    const around = await stat(dirname(path)).catch(() => undefined);
    if (!around?.isDirectory())
      throw new FormatError(`${folder}: there is no folder ${dirname(folder)}; make it first`);
    return;
  }
  if (!status.isDirectory()) throw new FormatError(`${folder}: found a file, expected a path for a new folder`);
  const names = await readdir(path);
  const foreign = names.find((name) => name !== "model.json" && !/^group1-shard\d+of\d+\.bin$/.test(name));
  if (foreign !== undefined) {
    throw new FormatError(
      `${folder}: the folder holds ${foreign}, which is not part of a graph model; name a new folder`,
    );
  }
  if (path !== process.cwd()) return;
  const found = JSON.stringify(folder);
  throw new FormatError(`found ${found}, the current folder, expected one that may be replaced; name a new folder`);
}

async function writeShards(
  graph: Graph,
  folder: string,
  options: GraphModelOptions & WorkOptions,
): Promise<GraphModelReport> {
  const files = graphModelFiles(graph, options);
  for (;;) {
    const next = await files.next();
    if (next.done) return next.value;
    await writeFile(join(folder, next.value.name), next.value.bytes, { flush: true });
  }
}
