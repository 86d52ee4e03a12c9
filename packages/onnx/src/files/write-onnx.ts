import { readdir, rm, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { type Graph, throwIfAborted, type WorkOptions } from "@residual/core";
import { encodeFiles, type OnnxExportOptions, type Sha256 } from "../export.ts";
import { piecesOf } from "../protobuf.ts";

/**
 * Writes a graph as `path`, and, with `external`, its weights into a second file in the same folder, which onnxruntime
 * maps instead of reading: `r50.onnx.0123456789abcdef.bin`. Its name contains its SHA-256, so that a model is never
 * loaded with the weights of another. Each file appears whole or not at all: it is written under a temporary name and
 * then renamed. Weights files of earlier models at `path` are removed.
 *
 * Throws UnsupportedError as toOnnx does, FormatError if a file cannot be written, AbortError once the signal is
 * aborted. Progress counts bytes.
 */
export async function writeOnnx(
  graph: Graph,
  path: string,
  options: OnnxExportOptions & WorkOptions & { readonly external?: boolean } = {},
): Promise<void> {
  throwIfAborted(options.signal);
  const { filePath, writeAtomic } = await import("@residual/kit/files"); // only those who write files need it
  const target = filePath(path);
  const name = basename(target);
  const { external: beside, metadata } = options;
  const { model, external } = await encodeFiles(sha256, graph, {
    ...(metadata && { metadata }),
    ...(beside && { external: (digest: string) => `${name}.${digest.slice(0, DIGITS)}.bin` }),
  });
  // The weights come first: weights without a model do less harm than a model without weights.
  const replaced = await stat(target).catch(() => undefined);
  const mode = replaced && replaced.mode & 0o777; // a private file stays private
  const weights = external ? [{ path: join(dirname(target), external.location), pieces: external.pieces, mode }] : [];
  await writeAtomic([...weights, { path: target, pieces: piecesOf(model) }], options);
  if (replaced) await removeWeights(target, replaced.mtimeMs, external?.location);
}

/** Digits of the SHA-256 in the name of a weights file. */
const DIGITS = 16;

/** Removes the weights files of earlier models at a path; files newer than the last of these models stay. */
async function removeWeights(model: string, modified: number, kept: string | undefined): Promise<void> {
  const prefix = `${basename(model)}.`;
  for (const name of await readdir(dirname(model))) {
    const isWeights = name.startsWith(prefix) && /^[0-9a-f]{16}\.bin$/.test(name.slice(prefix.length));
    if (!isWeights || name === kept) continue;
    const path = join(dirname(model), name);
    const found = await stat(path).catch(() => undefined);
    // Another process may be writing newer ones.
    if (found?.isFile() && found.mtimeMs <= modified) await rm(path, { force: true });
  }
}

/** Piece by piece, so that the weights are not in memory twice. */
const sha256: Sha256 = async (pieces) => {
  const { createHash } = await import("node:crypto"); // takes 3 ms to load
  const hash = createHash("sha256");
  for (const piece of pieces) hash.update(piece);
  return hash.digest("hex");
};
