import { rmSync } from "node:fs";
import { link, mkdtemp, realpath, rm, symlink, writeFile } from "node:fs/promises";
import { platform, tmpdir } from "node:os";
import { join } from "node:path";
import { checkSizes, isWeight, layOut } from "./external.ts";
import { byteLength, encodeModel, type Initializer, type Model } from "./model-proto.ts";
import { concatenate } from "./protobuf.ts";
import type { ModelSource } from "./protocol.ts";
import { version } from "./version.ts";

/** Weights up to this many bytes go into the model itself: a file or a second buffer would cost more than it saves. */
const INLINE_BYTES = 1 << 20;

/** The bytes of a model with its weights, in memory. Throws UnsupportedError for a tensor above 2 GB. */
export function inMemory(model: Model): ModelSource {
  checkSizes(model);
  if (weightBytes(model) <= INLINE_BYTES) return { model: encode(model) };
  // Apart from the model, so that protobuf neither limits them to 2 GB nor copies them once more.
  const location = "weights.bin";
  const { model: small, pieces, length } = layOut(model, location);
  return { model: encode(small), externalData: { path: location, data: concatenate({ parts: pieces, length }) } };
}

/** A model on disk for as long as it loads. */
export interface MappedModel extends AsyncDisposable {
  readonly source: ModelSource;
}

/**
 * Where all weights were read from one file, a model that points into that file: onnxruntime maps it, and nobody copies
 * it. Absolute paths are refused by onnxruntime, so the model lies in a new temporary folder with a link to the file.
 * Undefined where that does not work, or does not pay.
 */
export async function onDisk(model: Model): Promise<MappedModel | undefined> {
  // Windows does not remove a file that is mapped.
  if (weightBytes(model) <= INLINE_BYTES || platform() === "win32") return undefined;
  const path = await commonFile(model);
  if (path === undefined) return undefined;
  const folder = await temporaryFolder().catch(() => undefined);
  if (folder === undefined) return undefined;
  try {
    await linkTo(path, join(folder.path, LINK));
    const source = { model: join(folder.path, "model.onnx") };
    await writeFile(source.model, encode(pointing(model)));
    return { source, [Symbol.asyncDispose]: folder.remove };
  } catch {
    // A file gone, or a file system without links: there is still the copy in memory.
    await folder.remove();
    return undefined;
  }
}

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

/** A process that ends in mid load must not leave a link behind, which would keep the disk space of a deleted file. */
function sweep(): void {
  for (const path of folders) rmSync(path, { recursive: true, force: true });
}

/** The name of the weights' file in the temporary folder. */
const LINK = "weights";

function encode(model: Model): Uint8Array<ArrayBuffer> {
  return concatenate(encodeModel(model, version));
}

function weightBytes({ initializers }: Model): number {
  return initializers.reduce((sum, { tensor }) => sum + byteLength(tensor), 0);
}

/** The one file that every weight lies in, unchanged, at an offset that float32 can be read from. */
async function commonFile({ initializers }: Model): Promise<string | undefined> {
  const sources = initializers.filter(isWeight).map(({ tensor }) => tensor.source);
  const first = sources[0];
  const mappable = sources.every((source) => source?.path === first?.path && (source?.offset ?? 1) % 4 === 0);
  return first && mappable && (await first.isCurrent()) ? first.path : undefined;
}

/** A hard link where the file system has them, since a later rename of the file leaves it alone; else a symbolic one. */
async function linkTo(path: string, at: string): Promise<void> {
  const target = await realpath(path); // a link to a relative link would point nowhere
  await link(target, at).catch(() => symlink(target, at));
}

function pointing(model: Model): Model {
  const initializers = model.initializers.map((initializer): Initializer => {
    const { source } = initializer.tensor;
    const length = byteLength(initializer.tensor);
    return source ? { ...initializer, external: { location: LINK, offset: source.offset, length } } : initializer;
  });
  return { ...model, initializers };
}
