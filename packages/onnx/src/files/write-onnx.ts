import { readdir, rm, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { type Graph, throwIfAborted, type WorkOptions } from "@residual/core";
import { encodeFiles, type OnnxExportOptions, type Sha256 } from "../export.ts";
import { piecesOf } from "../protobuf.ts";

/**
 * Writes a graph as `path`, and, with `external`, its weights beside it, in a file that onnxruntime maps rather than
 * reads: `r50.onnx.0123456789abcdef.bin`, named by its SHA-256, so that no model is ever found with the weights of
 * another. Each file appears whole or not at all: it is written under another name first, and renamed at the end. The
 * weights files of earlier models at `path` are removed.
 *
 * Throws UnsupportedError as toOnnx does, FormatError where a file cannot be written, AbortError once the signal is
 * aborted. Progress counts bytes.
 */
export async function writeOnnx(
  graph: Graph,
  path: string,
  options: OnnxExportOptions & WorkOptions & { readonly external?: boolean } = {},
): Promise<void> {
  throwIfAborted(options.signal);
  const { filePath, writeAtomic } = await import("@residual/kit/files"); // of no use to those who only run models
  const target = filePath(path);
  const name = basename(target);
  const { external: beside, metadata } = options;
  const { model, external } = await encodeFiles(sha256, graph, {
    ...(metadata && { metadata }),
    ...(beside && { external: (digest: string) => `${name}.${digest.slice(0, DIGITS)}.bin` }),
  });
  // The weights come first: a model without its weights is worse than weights without a model.
  const replaced = await stat(target).catch(() => undefined);
  const mode = replaced && replaced.mode & 0o777; // what is secret stays so
  const weights = external ? [{ path: join(dirname(target), external.location), pieces: external.pieces, mode }] : [];
  await writeAtomic([...weights, { path: target, pieces: piecesOf(model) }], options);
  if (replaced) await removeWeights(target, replaced.mtimeMs, external?.location);
}

/** Digits of the SHA-256 that name a weights file. */
const DIGITS = 16;

/** Removes the weights files of models that were at a path before, none of which is newer than the last of them. */
async function removeWeights(model: string, modified: number, kept: string | undefined): Promise<void> {
  const prefix = `${basename(model)}.`;
  for (const name of await readdir(dirname(model))) {
    const isWeights = name.startsWith(prefix) && /^[0-9a-f]{16}\.bin$/.test(name.slice(prefix.length));
    if (!isWeights || name === kept) continue;
    const path = join(dirname(model), name);
    const found = await stat(path).catch(() => undefined);
    // Newer ones may be of somebody who writes there just now.
    if (found?.isFile() && found.mtimeMs <= modified) await rm(path, { force: true });
  }
}

/** Piece by piece: the weights need not lie in memory a second time. */
const sha256: Sha256 = async (pieces) => {
  const { createHash } = await import("node:crypto"); // which takes 3 ms to load
  const hash = createHash("sha256");
  for (const piece of pieces) hash.update(piece);
  return hash.digest("hex");
};
