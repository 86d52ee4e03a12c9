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
 * Where most weights lie in files, a model whose weights stream from there into a file of its own, in a new temporary
 * folder, which onnxruntime maps: nobody ever holds them all. Undefined where that does not work, or does not pay.
 */
export async function onDisk(
  graph: Graph,
  dialect: OnnxDialect,
  work: WorkOptions = {},
): Promise<MappedModel | undefined> {
  // Windows does not remove a file that is mapped.
  if (bytesInFiles(graph) < STREAMED_BYTES || platform() === "win32") return undefined;
  const { temporaryFolder } = await import("@residual/kit/files"); // while the thread starts
  const folder: TemporaryFolder | undefined = await temporaryFolder("onnx").catch(() => undefined);
  if (folder === undefined) return undefined;
  try {
    const { model, weights } = externalizeWeights(lowerToOnnx(graph, dialect), WEIGHTS);
    await streamWeights(weights, join(folder.path, WEIGHTS), work);
    const source = { model: join(folder.path, "model.onnx"), variables: await initialVariables(model) };
    await writeFile(source.model, encode(model));
    return { source, [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose]() };
  } catch (error) {
    await folder[Symbol.asyncDispose]();
    if (!isOfFiles(error)) throw error;
    return undefined; // there is still the way through memory
  }
}

/** A full disk, say, or weights whose file is gone or has changed. */
function isOfFiles(error: unknown): boolean {
  return error instanceof FormatError || (error instanceof Error && "syscall" in error);
}

function bytesInFiles(graph: Graph): number {
  const elsewhere = constantsOf(graph).filter(({ source }) => !isResident(source));
  return elsewhere.reduce((sum, { shape }) => sum + 4 * sizeOf(shape), 0);
}

/** Weights from this many bytes on are rather streamed than held: less takes no time either way. */
const STREAMED_BYTES = 8 << 20;
