import { createHash, randomUUID } from "node:crypto";
import { open, rename, rm } from "node:fs/promises";
import { basename } from "node:path";
import { FormatError, type Graph, throwIfAborted, UnsupportedError, version, type WorkOptions } from "@residual/core";
import { bytesOfFile, checkSizes, isWeight, LARGEST_BYTES, layOut } from "./external.ts";
import { lowerToOnnx } from "./lower.ts";
import { bytesOf, encodeModel, type Model } from "./model-proto.ts";
import { concatenate, type Encoded, piecesOf } from "./protobuf.ts";

/** Key of metadata_props: SHA-256, in hex, over the float32 weights in their order. `verifyOnnx` checks it. */
export const DIGEST_KEY = "residual.weightsSha256";
/** Key of metadata_props: the graph's name. */
export const MODEL_KEY = "residual.model";

export interface OnnxExportOptions {
  /** Further entries of metadata_props, such as labels or preprocessing. Keys in `residual.` are ours. */
  readonly metadata?: { readonly [key: string]: string };
}

/** A model in memory. */
export interface OnnxBytes {
  /** The .onnx file. */
  readonly model: Uint8Array<ArrayBuffer>;
  /** The file beside it that holds the weights, in pieces, where one was asked for. */
  readonly external?: readonly Uint8Array[];
}

/**
 * A graph as an .onnx file: opset 17, float32, parameters under their names. With `external` the weights go into a file
 * of that name, which has to lie in the model's folder.
 *
 * Throws UnsupportedError for open parameters, and for more than 2 GB in the model itself.
 */
export function toOnnx(graph: Graph, options: OnnxExportOptions & { readonly external?: string } = {}): OnnxBytes {
  const { model, external } = encodeFiles(graph, options);
  return { model: concatenate(model), ...(external && { external }) };
}

/**
 * Writes a graph as `path`, and, with `external`, its weights as `path.bin` beside it, which onnxruntime then maps rather
 * than reads. Each appears whole or not at all: they are written under other names first, and renamed at the end.
 *
 * Throws UnsupportedError as toOnnx does, AbortError once the signal is aborted. Progress counts bytes.
 */
export async function writeOnnx(
  graph: Graph,
  path: string,
  options: OnnxExportOptions & WorkOptions & { readonly external?: boolean } = {},
): Promise<void> {
  throwIfAborted(options.signal);
  const { external: beside, metadata } = options;
  const { model, external } = encodeFiles(graph, {
    ...(metadata && { metadata }),
    ...(beside && { external: `${basename(path)}.bin` }),
  });
  const files: NewFile[] = [{ path, pieces: piecesOf(model) }];
  // The weights come first: a model without its weights is worse than weights without a model.
  if (external) files.unshift({ path: `${path}.bin`, pieces: external });
  await writeFiles(files, options);
}

function encodeFiles(
  graph: Graph,
  { external, metadata = {} }: OnnxExportOptions & { readonly external?: string },
): { model: Encoded; external?: readonly Uint8Array[] } {
  checkKeys(Object.keys(metadata));
  const lowered = lowerToOnnx(graph);
  checkSizes(lowered);
  // Ours come last, the digest at the very end: a file cut short anywhere has lost it.
  const ours = { [MODEL_KEY]: graph.name, [DIGEST_KEY]: digestOf(lowered) };
  const layout = external === undefined ? undefined : layOut(lowered, external);
  const model = encodeModel({ ...(layout?.model ?? lowered), metadata: { ...metadata, ...ours } }, version);
  checkLength(graph, model.length);
  return { model, ...(layout && { external: bytesOfFile(layout) }) };
}

function checkKeys(keys: readonly string[]): void {
  const reserved = keys.find((key) => key.startsWith("residual."));
  if (reserved) throw new UnsupportedError(`onnx: metadata ${reserved} is Residual's own; choose another key`);
}

function checkLength({ name }: Graph, length: number): void {
  if (length <= LARGEST_BYTES) return;
  const limit = `a model may have ${LARGEST_BYTES}; write it with external weights`;
  throw new UnsupportedError(`onnx: ${name} takes ${length} bytes, ${limit}`);
}

function digestOf({ initializers }: Model): string {
  const hash = createHash("sha256");
  for (const initializer of initializers) if (isWeight(initializer)) hash.update(bytesOf(initializer.tensor));
  return hash.digest("hex");
}

interface NewFile {
  readonly path: string;
  readonly pieces: readonly Uint8Array[];
}

async function writeFiles(files: readonly NewFile[], { signal, onProgress }: WorkOptions): Promise<void> {
  const total = files.flatMap(({ pieces }) => pieces).reduce((sum, piece) => sum + piece.length, 0);
  let done = 0;
  const advance = (length: number) => {
    throwIfAborted(signal);
    done += length;
    onProgress?.({ stage: "write", done, total });
  };
  const temporary = files.map(({ path, pieces }) => ({ path, pieces, written: `${path}.${randomUUID()}.part` }));
  try {
    for (const { written, pieces } of temporary) await writePieces(written, pieces, advance);
    for (const { written, path } of temporary) await rename(written, path);
  } catch (cause) {
    if (!(cause instanceof Error && "syscall" in cause)) throw cause; // only what the file system refused
    const { path } = files[0]!;
    throw new FormatError(`${path}: it cannot be written (${cause.message}); check the path and the space left`, {
      cause,
    });
  } finally {
    for (const { written } of temporary) await rm(written, { force: true });
  }
}

async function writePieces(
  path: string,
  pieces: readonly Uint8Array[],
  advance: (length: number) => void,
): Promise<void> {
  await using file = await open(path, "wx");
  for (const piece of pieces) {
    await file.writeFile(piece);
    advance(piece.length);
  }
  await file.sync();
}
