import { FormatError, fixtureWeights, type Graph, type WorkOptions } from "@residual/core";
import { knownMetadata, knownWeights } from "./known.ts";
import { readWeights } from "./read-weights.ts";
import { toTorchvision } from "./schemes.ts";
import type { Weights } from "./weights.ts";

/**
 * Weights by what people call them: `fixture:SALT`, the name of known weights, or a file's path, under the names that the
 * graph's parameters have. Throws as findWeights and toTorchvision do.
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
  const { tensors, metadata } = await readWeights(known?.file ?? name, options);
  return { tensors, metadata: { ...knownMetadata(name), ...metadata } };
}

function saltOf(name: string): string {
  const salt = name.slice("fixture:".length);
  if (salt === "")
    throw new FormatError('"fixture:" lacks its salt; write fixture:v1, whose values are those of the goldens');
  return salt;
}

async function isThere(path: string): Promise<boolean> {
  const { access } = await import("node:fs/promises");
  return access(path).then(
    () => true,
    () => false,
  );
}

function refuse(name: string): never {
  const names = knownWeights.map((weights) => weights.name).join(", ");
  throw new FormatError(
    `found ${JSON.stringify(name)}, expected a file that exists, fixture:SALT, or known weights: ${names}`,
  );
}
