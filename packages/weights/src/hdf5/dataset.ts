import { UnsupportedError } from "@residual/core";
import { readDataspace } from "./dataspace.ts";
import { type Datatype, readDatatype } from "./datatype.ts";
import { type Message, message } from "./object-header.ts";
import type { Fields, Structures } from "./structures.ts";

/** A dataset: the shape, type and storage of its numbers. */
export interface Dataset {
  readonly type: Datatype;
  readonly shape: readonly number[];
  readonly storage: Storage;
}

type Storage = ContiguousStorage | { readonly kind: "held"; readonly bytes: Uint8Array } | ChunkedStorage;

/** Contiguous, uncompressed numbers. */
export interface ContiguousStorage {
  readonly kind: "contiguous";
  /** Position of the first number in the file; undefined if no numbers were written. */
  readonly address: number | undefined;
  /** In bytes. */
  readonly size: number;
}

export interface ChunkedStorage {
  readonly kind: "chunked";
  /** Position in the file of the tree that lists the chunks. */
  readonly address: number | undefined;
  /** The shape of a chunk. */
  readonly chunk: readonly number[];
  /** The filters in the order in which the writer applied them. */
  readonly filters: readonly Filter[];
}

export type Filter = "deflate" | "shuffle";

const filterNames: Readonly<Record<number, Filter>> = { 1: "deflate", 2: "shuffle" };

/**
 * The dataset that an object's messages describe; undefined for a group. Throws UnsupportedError if the numbers are
 * stored in other files, or in the layouts that HDF5 1.10 added. Source: HDF5 File Format Specification 3.0, IV.A.2.b,
 * d, i and l.
 */
export function readDataset(structures: Structures, messages: readonly Message[]): Dataset | undefined {
  const find = (kind: number): Fields | undefined => {
    const found = messages.find((each) => each.kind === kind);
    if (found?.isShared) throw unsupported(structures, "it shares datatypes between datasets");
    return found?.fields();
  };
  const layout = find(message.layout);
  if (!layout) return undefined;
  if (find(message.externalFiles)) throw unsupported(structures, "its numbers lie in other files");
  const missing = () => structures.refuse("a dataset lacks its type or its shape");
  const type = readDatatype(find(message.datatype) ?? missing());
  const shape = readDataspace(find(message.dataspace) ?? missing());
  return { type, shape, storage: readStorage(structures, layout, find(message.filters)) };
}

function readStorage(structures: Structures, layout: Fields, pipeline: Fields | undefined): Storage {
  const version = layout.u8();
  const kind = layout.u8();
  if (version !== 3 && version !== 4) throw unsupported(structures, `its layouts are of version ${version}`);
  if (kind === 0) return { kind: "held", bytes: layout.bytes(layout.u16()) };
  if (kind === 1) return { kind: "contiguous", address: layout.address(), size: layout.u64() };
  if (kind !== 2 || version === 4) throw unsupported(structures, "its chunks are listed as the newest HDF5 does");
  const axes = layout.u8() - 1;
  if (axes < 1) structures.refuse("chunks have no axes");
  const address = layout.address();
  const chunk = Array.from({ length: axes }, () => layout.u32());
  return { kind: "chunked", address, chunk, filters: pipeline ? readFilters(structures, pipeline) : [] };
}

function readFilters(structures: Structures, pipeline: Fields): readonly Filter[] {
  const version = pipeline.u8();
  const count = pipeline.u8();
  if (version === 1) pipeline.skip(6);
  return Array.from({ length: count }, () => {
    const id = pipeline.u16();
    const filter = filterNames[id];
    if (!filter) throw unsupported(structures, `its numbers went through filter ${id}, expected deflate or shuffle`);
    const nameLength = version === 1 ? pipeline.u16() : 0;
    pipeline.skip(2);
    const values = pipeline.u16();
    pipeline.skip(nameLength + 4 * values + (version === 1 && values % 2 === 1 ? 4 : 0));
    return filter;
  });
}

function unsupported({ file }: Structures, found: string): UnsupportedError {
  return new UnsupportedError(
    `${file.name}: ${found}, expected an HDF5 file as Keras writes it; save the model again, or repack it: ` +
      "h5repack -l CONTI -f NONE",
  );
}
