import { createHash } from "node:crypto";
import { basename } from "node:path";
import { type Graph, throwIfAborted, type WorkOptions } from "@residual/core";
import { encodeFiles, type OnnxExportOptions, type Sha256 } from "../export.ts";
import { piecesOf } from "../protobuf.ts";

/**
 * Writes a graph as `path`, and, with `external`, its weights as `path.bin` beside it, which onnxruntime then maps
 * rather than reads. Each file appears whole or not at all: it is written under another name first, and renamed at
 * the end.
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
  const { external: beside, metadata } = options;
  const { model, external } = await encodeFiles(sha256, graph, {
    ...(metadata && { metadata }),
    ...(beside && { external: `${basename(path)}.bin` }),
  });
  // The weights come first: a model without its weights is worse than weights without a model.
  const weights = external ? [{ path: `${path}.bin`, pieces: external }] : [];
  const { writeAtomic } = await import("@residual/kit/files"); // of no use to those who only run models
  await writeAtomic([...weights, { path, pieces: piecesOf(model) }], options);
}

/** Piece by piece: the weights need not lie in memory a second time. */
const sha256: Sha256 = (pieces) => {
  const hash = createHash("sha256");
  for (const piece of pieces) hash.update(piece);
  return hash.digest("hex");
};
