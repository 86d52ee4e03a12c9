import { sizeOf } from "@residual/core";
import { inflate } from "@residual/kit/inflate";
import type { UnpackedBytes } from "../unpacked-bytes.ts";
import type { ChunkedStorage, Filter } from "./dataset.ts";
import type { Structures } from "./structures.ts";

/** The shape of a dataset, and the size of an element in bytes. */
interface Elements {
  readonly shape: readonly number[];
  readonly size: number;
}

/**
 * The bytes of a chunked dataset, in row-major order. `unpacked` counts the memory of the decompressed bytes. Source:
 * HDF5 File Format Specification 3.0, III.A.1.
 */
export async function readChunks(
  structures: Structures,
  { address, chunk, filters }: ChunkedStorage,
  elements: Elements,
  unpacked: UnpackedBytes,
): Promise<Uint8Array> {
  const { shape, size } = elements;
  if (chunk.length !== shape.length || chunk.includes(0))
    structures.refuse("chunks are of another rank than their dataset");
  const grid = shape.map((length, axis) => Math.ceil(length / chunk[axis]!));
  const chunkBytes = sizeOf(chunk) * size;
  unpacked.take(sizeOf(shape) * size);
  unpacked.take(sizeOf(grid) * chunkBytes);
  const into = new Uint8Array(sizeOf(shape) * size);
  const seen = new Set<string>();
  for await (const { place, bytes } of placesOf(structures, address, shape.length)) {
    const origin = place.map((offset, axis) =>
      offset % chunk[axis]! === 0 ? offset : structures.refuse("a chunk lies askew"),
    );
    if (origin.some((offset, axis) => offset >= shape[axis]!)) structures.refuse("a chunk lies outside its dataset");
    if (seen.has(origin.join())) structures.refuse("a dataset has two chunks at one place");
    seen.add(origin.join());
    const isSkipped = (_: Filter, i: number) => (bytes.mask & (1 << i)) !== 0;
    const stored = await structures.file.read(bytes.address, bytes.length);
    const applied = filters.filter((filter, i) => !isSkipped(filter, i));
    copyChunk(into, await unfilter(stored, applied, { chunkBytes, size }, structures), { shape, size, chunk, origin });
  }
  if (seen.size !== sizeOf(grid)) structures.refuse(`a dataset has ${seen.size} of ${sizeOf(grid)} chunks`);
  return into;
}

interface ChunkPlace {
  /** Index of the chunk's first element on each axis. */
  readonly place: readonly number[];
  readonly bytes: { readonly address: number; readonly length: number; readonly mask: number };
}

/** Size of a tree node's head, in bytes. */
const NODE_HEAD = 24;

async function* placesOf(structures: Structures, tree: number | undefined, rank: number): AsyncGenerator<ChunkPlace> {
  const entry = 8 + 8 * (rank + 1) + 8;
  const nodes = [tree];
  while (nodes.length > 0) {
    const node = nodes.pop();
    structures.enter(node);
    const head = await structures.fields(node, NODE_HEAD);
    head.expect("TREE");
    if (head.u8() !== 1) structures.refuse("a dataset's tree is that of something else");
    const level = head.u8();
    const count = head.u16();
    const entries = await structures.fields(node! + NODE_HEAD, count * entry);
    for (let i = 0; i < count; i++) {
      const [length, mask] = [entries.u32(), entries.u32()] as const;
      const place = Array.from({ length: rank }, () => entries.u64());
      entries.skip(8); // offset within an element
      const address = entries.address();
      if (level > 0) nodes.push(address);
      else if (address === undefined || address + length > structures.file.size)
        structures.refuse("a chunk ends behind the file's end");
      else yield { place, bytes: { address, length, mask } };
    }
  }
}

async function unfilter(
  stored: Uint8Array,
  filters: readonly Filter[],
  { chunkBytes, size }: { readonly chunkBytes: number; readonly size: number },
  { refuse }: Structures,
): Promise<Uint8Array> {
  let bytes = stored;
  for (const filter of filters.toReversed()) {
    if (filter === "deflate") bytes = await inflate(bytes, "deflate", chunkBytes, refuse);
    else bytes = unshuffle(bytes, size);
  }
  return bytes.length === chunkBytes ? bytes : refuse(`a chunk has ${bytes.length} bytes, expected ${chunkBytes}`);
}

/**
 * Reverses the shuffle filter, which stores the first bytes of all elements, then the second bytes of all, and so on.
 */
function unshuffle(bytes: Uint8Array, size: number): Uint8Array {
  const count = Math.floor(bytes.length / size);
  const whole = bytes.slice(); // bytes after the last whole element are not shuffled
  for (let i = 0; i < count; i++)
    for (let byte = 0; byte < size; byte++) whole[i * size + byte] = bytes[byte * count + i]!;
  return whole;
}

interface Block extends Elements {
  readonly chunk: readonly number[];
  /** Index of the chunk's first element in the dataset, on each axis. */
  readonly origin: readonly number[];
}

/** Copies the part of a chunk that lies in the dataset, in runs of elements that are contiguous in both. */
function copyChunk(into: Uint8Array, from: Uint8Array, { shape, size, chunk, origin }: Block): void {
  // after this axis, a chunk spans the whole dataset
  const last = Math.max(
    0,
    shape.findLastIndex((length, axis) => length !== chunk[axis]),
  );
  const step = sizeOf(shape.slice(last + 1)) * size;
  const run = Math.min(chunk[last]!, shape[last]! - origin[last]!) * step;
  const copyAxis = (axis: number, to: number, at: number): void => {
    if (axis === last) {
      const [begin, source] = [(to + origin[last]!) * step, at * step];
      for (let i = 0; i < run; i++) into[begin + i] = from[source + i]!; // a loop, since runs may be one byte long
      return;
    }
    const count = Math.min(chunk[axis]!, shape[axis]! - origin[axis]!);
    for (let i = 0; i < count; i++)
      copyAxis(axis + 1, (to + origin[axis]! + i) * shape[axis + 1]!, (at + i) * chunk[axis + 1]!);
  };
  copyAxis(0, 0, 0);
}
