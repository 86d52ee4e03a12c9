import { writeFile } from "node:fs/promises";
import { platform } from "node:os";
import { join } from "node:path";
import { constantsOf, FormatError, type Graph, isResident, sizeOf, type WorkOptions } from "@residual/core";
import type { TemporaryFolder } from "@residual/kit/files";
import { externalizeWeights } from "../../external-data.ts";
import { lowerToOnnx } from "../../lower.ts";
import type { OnnxDialect } from "../../model-builder.ts";
import type { ModelSource } from "../inference.ts";
import { encode, initialVariables, WEIGHTS } from "../model-source.ts";
import { streamWeights } from "./stream.ts";

/** A model on disk for as long as it loads. */
export interface MappedModel extends AsyncDisposable {
  readonly source: ModelSource;
}

/**
 * A model whose weights are copied from their files into a temporary file, which onnxruntime maps: the weights are
 * never all in the process's memory. Undefined if most weights are in memory already, or if copying fails.
 */
export async function onDisk(
  graph: Graph,
  dialect: OnnxDialect,
  work: WorkOptions = {},
  block = 1,
): Promise<MappedModel | undefined> {
  // Windows cannot remove a mapped file.
  if (bytesInFiles(graph) < STREAMED_BYTES || platform() === "win32") return undefined;
  const { temporaryFolder } = await import("@residual/kit/files"); // while the thread starts
  const folder: TemporaryFolder | undefined = await temporaryFolder("onnx").catch(() => undefined);
  if (folder === undefined) return undefined;
  try {
    const { model, weights } = externalizeWeights(lowerToOnnx(graph, dialect, block), WEIGHTS);
    await streamWeights(weights, join(folder.path, WEIGHTS), work);
    const source = { model: join(folder.path, "model.onnx"), variables: await initialVariables(model) };
    await writeFile(source.model, encode(model));
    return { source, [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose]() };
  } catch (error) {
    await folder[Symbol.asyncDispose]();
    if (!isOfFiles(error)) throw error;
    return undefined; // the caller loads through memory instead
  }
}

/** Such as a full disk, or a weights file that is gone or has changed. */
function isOfFiles(error: unknown): boolean {
  return error instanceof FormatError || (error instanceof Error && "syscall" in error);
}

function bytesInFiles(graph: Graph): number {
  const elsewhere = constantsOf(graph).filter(({ source }) => !isResident(source));
  return elsewhere.reduce((sum, { shape }) => sum + 4 * sizeOf(shape), 0);
}

/** Weights of at least this many bytes are streamed: below, both ways take the same time. */
const STREAMED_BYTES = 8 << 20;
