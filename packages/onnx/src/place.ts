import { rmSync } from "node:fs";
import { link, mkdtemp, open, realpath, rm, symlink, writeFile } from "node:fs/promises";
import { platform, tmpdir } from "node:os";
import { join } from "node:path";
import { checkSizes, isWeight, layOut } from "./external.ts";
import { bytesOf, encodeModel, type Initializer, type Model } from "./model-proto.ts";
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
  return { model: encode(small), externalData: { path: location, data: concatenate({ pieces, length }) } };
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
  const path = commonFile(model);
  // Windows does not remove a file that is mapped.
  if (path === undefined || weightBytes(model) <= INLINE_BYTES || platform() === "win32") return undefined;
  const folder = await temporaryFolder().catch(() => undefined);
  if (folder === undefined) return undefined;
  try {
    const file = join(folder.path, LINK);
    await linkTo(path, file);
    if (await holds(file, model)) {
      const source = { model: join(folder.path, "model.onnx") };
      await writeFile(source.model, encode(pointing(model)));
      return { source, [Symbol.asyncDispose]: folder.remove };
    }
  } catch {
    // A file gone, or a file system without links: there is still the copy in memory.
  }
  await folder.remove();
  return undefined;
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
  return initializers.reduce((sum, { data }) => sum + data.byteLength, 0);
}

/** The one file that every weight lies in, at an offset that float32 can be read from. */
function commonFile({ initializers }: Model): string | undefined {
  const weights = initializers.filter(isWeight);
  const path = weights[0]?.source?.path;
  const mappable = weights.every(({ source }) => source?.path === path && (source?.offset ?? 1) % 4 === 0);
  return mappable ? path : undefined;
}

/** A hard link where the file system has them, since a later rename of the file leaves it alone; else a symbolic one. */
async function linkTo(path: string, at: string): Promise<void> {
  const target = await realpath(path); // a link to a relative link would point nowhere
  await link(target, at).catch(() => symlink(target, at));
}

/** Bytes compared at either end of each tensor. */
const SAMPLE = 64;

/** Whether the file still has the weights that were read from it, by its size and by both ends of each tensor. */
async function holds(path: string, { initializers }: Model): Promise<boolean> {
  await using file = await open(path);
  const found = new Uint8Array(SAMPLE);
  for (const { data, source } of initializers.filter(isWeight)) {
    const bytes = bytesOf(data);
    for (const start of [0, Math.max(bytes.length - SAMPLE, 0)]) {
      const expected = bytes.subarray(start, start + SAMPLE);
      const { bytesRead } = await file.read(found, 0, expected.length, source!.offset + start);
      if (bytesRead < expected.length || Buffer.compare(found.subarray(0, bytesRead), expected) !== 0) return false;
    }
  }
  return true;
}

function pointing(model: Model): Model {
  const initializers = model.initializers.map((initializer): Initializer => {
    const { source, data } = initializer;
    return source
      ? { ...initializer, external: { location: LINK, offset: source.offset, length: data.byteLength } }
      : initializer;
  });
  return { ...model, initializers };
}
