import { readdir, stat, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { type Dimension, FormatError, type Graph, throwIfAborted, type WorkOptions } from "@residual/core";
import { checkPlace, makeFolder, refusedAs, writeFolderAtomic } from "@residual/kit/files";
import type { Prepared } from "@residual/pipeline";
import { writeOnnxModel } from "./model-file.ts";

/** The largest batch that Triton's batcher may form. Users change it in config.pbtxt. */
const MAX_BATCH = 64;

/** The name of the file with one label per line, in the order of the classes. */
const LABELS = "labels.txt";

/** The entries of a model's folder in a Triton model repository. */
const ENTRIES: readonly string[] = ["1", "config.pbtxt", LABELS];

/**
 * Writes a model into a Triton model repository: `repository/MODEL/1/model.onnx`, `config.pbtxt`, and `labels.txt` if
 * the classes have names. The repository is made if it is missing, its other models stay, and MODEL's folder appears
 * whole or not at all.
 *
 * Throws FormatError as `checkTritonPlace` does and if the file system refuses, UnsupportedError as `writeOnnx` does,
 * AbortError once the signal is aborted. Source: Triton's user guide, model_repository.md and model_configuration.md.
 */
export async function writeTritonModel(prepared: Prepared, repository: string, work: WorkOptions): Promise<void> {
  const { model, labels } = prepared;
  await checkTritonPlace(repository, model);
  await refusedAs(repository, makeFolder(repository));
  await writeFolderAtomic(join(repository, model), async (folder) => {
    await makeFolder(join(folder, "1"));
    await writeOnnxModel(prepared, join(folder, "1", "model.onnx"), work);
    await writeFile(join(folder, "config.pbtxt"), tritonConfig(prepared), { flush: true });
    if (labels) await writeFile(join(folder, LABELS), labelLines(labels), { flush: true });
    throwIfAborted(work.signal);
  });
}

/**
 * Checks that a model can be written into a repository, before work is done for it. Throws FormatError if the
 * repository is a file or cannot be made, or if the model's folder holds anything that this export does not write.
 */
export async function checkTritonPlace(repository: string, model: string): Promise<void> {
  const found = await stat(repository).catch(() => undefined);
  if (!found) return checkPlace(resolve(repository));
  if (!found.isDirectory()) throw new FormatError(`${repository}: found a file, expected the folder of a repository`);
  const folder = join(repository, model);
  if (!(await stat(folder).catch(() => undefined))) return;
  const foreign = (await refusedAs(folder, readdir(folder))).find((name) => !ENTRIES.includes(name));
  if (foreign === undefined) return;
  throw new FormatError(`${folder}: the folder holds ${foreign}, which this export does not write; move it elsewhere`);
}

/**
 * A model's config.pbtxt, a ModelConfig in protobuf's text format. An open batch becomes Triton's own batch dimension,
 * which `dims` leaves out, with dynamic batching. A fixed batch becomes `max_batch_size: 0`, and `dims` states it.
 */
function tritonConfig({
  model,
  graph,
  labels,
  preprocessing,
}: Pick<Prepared, "model" | "graph" | "labels" | "preprocessing">): string {
  const isOpen = graph.inputs.image.shape[0] === "N";
  const tensor = (name: string, shape: readonly Dimension[], more = "") =>
    `  { name: "${name}" data_type: TYPE_FP32 dims: [ ${shape.slice(isOpen ? 1 : 0).join(", ")} ]${more} }`;
  const labelFile = (name: string) => (labels && name === "logits" ? ` label_filename: "${LABELS}"` : "");
  return [
    ...(preprocessing ? [`# Preprocessing of pictures: ${JSON.stringify(preprocessing)}`] : []),
    `name: "${model}"`,
    `backend: "onnxruntime"`,
    `max_batch_size: ${isOpen ? MAX_BATCH : 0}`,
    `input [\n${tensor("image", graph.inputs.image.shape)}\n]`,
    `output [\n${outputsOf(graph, (name, shape) => tensor(name, shape, labelFile(name))).join(",\n")}\n]`,
    ...(isOpen ? ["dynamic_batching { }"] : []),
    "",
  ].join("\n");
}

function outputsOf(graph: Graph, write: (name: string, shape: readonly Dimension[]) => string): readonly string[] {
  return Object.entries(graph.outputs).map(([name, { shape }]) => write(name, shape));
}

/** A line break inside a label would shift the labels of all later classes. */
function labelLines(labels: readonly string[]): string {
  return labels.map((label) => `${label.replace(/\s+/g, " ")}\n`).join("");
}
