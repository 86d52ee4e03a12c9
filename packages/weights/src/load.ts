import { FormatError, fixtureWeights, type Graph, throwIfAborted, type WorkOptions } from "@residual/core";
import { knownMetadata, knownWeights } from "./known.ts";
import { readWeights } from "./read-weights.ts";
import { toTorchvision } from "./schemes.ts";
import type { Weights } from "./weights.ts";

/**
 * Weights by what people call them: `fixture:SALT`, the name of known weights, or a file's path, under the names that
 * the graph's parameters have. Throws as findWeights and toTorchvision do.
 */
export async function resolveWeights(name: string, graph: Graph, options: WorkOptions = {}): Promise<Weights> {
  if (name.startsWith("fixture:")) return fixtureWeights(graph, saltOf(name));
  return toTorchvision(await findWeights(name, options), graph);
}

/**
 * The weights of a file, or of a known name, as the file has them: for its metadata, before there is a graph. Metadata
 * that the file lacks and people know for its name is added. A file `./NAME` that is named like known weights is told
 * apart by its `./`. Throws FormatError for a name that is neither, else as readWeights does.
 */
export async function findWeights(name: string, options: WorkOptions = {}): Promise<Weights> {
  const known = knownWeights.find((weights) => weights.name === name);
  if (!known && !(await isThere(name))) refuse(name);
  const { tensors, metadata } = await readWeights(known ? await fileOrBytes(known.file, options) : name, options);
  return { tensors, metadata: { ...knownMetadata(name), ...metadata } };
}

function saltOf(name: string): string {
  const salt = name.slice("fixture:".length);
  if (salt === "")
    throw new FormatError('"fixture:" lacks its salt; write fixture:v1, whose values are those of the goldens');
  return salt;
}

/** In a browser, and in a bundle for one, the package's own files are fetched. */
async function fileOrBytes(file: URL, { signal }: WorkOptions): Promise<URL | Uint8Array> {
  if (file.protocol === "file:") return file;
  throwIfAborted(signal);
  const answer = await fetch(file);
  if (!answer.ok)
    throw new FormatError(`${file.href}: found status ${answer.status}, expected the package's own weights`);
  const bytes = new Uint8Array(await answer.arrayBuffer());
  throwIfAborted(signal);
  return bytes;
}

/** A browser has no files. */
async function isThere(path: string): Promise<boolean> {
  try {
    const { access } = await import("node:fs/promises");
    await access(path);
    return true;
  } catch {
    return false;
  }
}

function refuse(name: string): never {
  const names = knownWeights.map((weights) => weights.name).join(", ");
  throw new FormatError(
    `found ${JSON.stringify(name)}, expected a file that exists, fixture:SALT, or known weights: ${names}`,
  );
}
