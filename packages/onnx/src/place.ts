import { rmSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { platform, tmpdir } from "node:os";
import { join } from "node:path";
import { constantsOf, FormatError, foldBatchNorm, type Graph, sizeOf, version, type WorkOptions } from "@residual/core";
import { checkSizes, layOut } from "./external.ts";
import { lowerToOnnx } from "./lower.ts";
import { byteLength, bytesOf, encodeModel, type Model } from "./model-proto.ts";
import { concatenate } from "./protobuf.ts";
import type { ModelSource } from "./protocol.ts";
import { streamWeights } from "./stream.ts";

/** Weights up to this many bytes go into the model itself: a file or a second buffer would cost more than it saves. */
const INLINE_BYTES = 1 << 20;

/** The bytes of a model with its weights, in memory. Throws UnsupportedError for a tensor above 2 GB. */
export function inMemory(model: Model): ModelSource {
  checkSizes(model);
  if (weightBytes(model) <= INLINE_BYTES) return { model: encode(model) };
  // Apart from the model, so that protobuf neither limits them to 2 GB nor copies them once more.
  const { model: small, pieces, length } = layOut(model, WEIGHTS);
  const data = new Uint8Array(length);
  for (const { tensor, offset } of pieces) data.set(bytesOf(tensor), offset);
  return { model: encode(small), externalData: { path: WEIGHTS, data } };
}

/** A model on disk for as long as it loads. */
export interface MappedModel extends AsyncDisposable {
  readonly source: ModelSource;
}

/**
 * Where most weights lie in files, a model whose weights stream from there into a file of its own, in a new temporary
 * folder, which onnxruntime maps: nobody ever holds them all. Norms are folded on the way, which onnxruntime would do by
 * copying all weights twice. Undefined where that does not work, or does not pay.
 */
export async function onDisk(graph: Graph, work: WorkOptions = {}): Promise<MappedModel | undefined> {
  // Windows does not remove a file that is mapped.
  if (bytesInFiles(graph) < STREAMED_BYTES || platform() === "win32") return undefined;
  const folder = await temporaryFolder().catch(() => undefined);
  if (folder === undefined) return undefined;
  try {
    const { model, pieces } = layOut(lowerToOnnx(foldBatchNorm(graph)), WEIGHTS);
    await streamWeights(pieces, join(folder.path, WEIGHTS), work);
    const source = { model: join(folder.path, "model.onnx") };
    await writeFile(source.model, encode(model));
    return { source, [Symbol.asyncDispose]: folder.remove };
  } catch (error) {
    await folder.remove();
    if (!isOfFiles(error)) throw error;
    return undefined; // there is still the way through memory
  }
}

/** A full disk, say, or weights whose file is gone or has changed. */
function isOfFiles(error: unknown): boolean {
  return error instanceof FormatError || (error instanceof Error && "syscall" in error);
}

function bytesInFiles(graph: Graph): number {
  const constants = constantsOf(graph).filter(({ tensor }) => tensor.source);
  return constants.reduce((sum, { tensor }) => sum + 4 * sizeOf(tensor.shape), 0);
}

/** Weights from this many bytes on are rather streamed than held: less takes no time either way. */
const STREAMED_BYTES = 8 << 20;

/** The name of the weights' file in the temporary folder. */
const WEIGHTS = "weights.bin";

const folders = new Set<string>();

async function temporaryFolder(): Promise<{ readonly path: string; readonly remove: () => Promise<void> }> {
  const path = await mkdtemp(join(tmpdir(), "residual-onnx-"));
  if (folders.size === 0) process.on("exit", sweep);
  folders.add(path);
  const remove = async () => {
    await rm(path, { recursive: true, force: true });
    folders.delete(path);
    if (folders.size === 0) process.off("exit", sweep);
  };
  return { path, remove };
}

/** A process that ends in mid load must not leave a model's weights behind. */
function sweep(): void {
  for (const path of folders) rmSync(path, { recursive: true, force: true });
}

function encode(model: Model): Uint8Array<ArrayBuffer> {
  return concatenate(encodeModel(model, version));
}

function weightBytes({ initializers }: Model): number {
  return initializers.reduce((sum, { tensor }) => sum + byteLength(tensor), 0);
}
