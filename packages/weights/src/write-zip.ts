import { FormatError, throwIfAborted, type WorkOptions } from "@residual/core";
import type { LazyPiece } from "@residual/kit/files";
import { quote } from "./json-reader.ts";
import { type Metadata, metadataText } from "./named-tensors.ts";

type Piece = Uint8Array | LazyPiece;

/** A file to add to a zip, as consecutive pieces. */
export interface NewMember {
  readonly name: string;
  readonly pieces: readonly Piece[];
}

/** In bytes. Members are aligned as in torch.save, so that numbers can be read in place. */
const ALIGNMENT = 64;

/**
 * The pieces of a zip whose members are not compressed. Each piece is read twice, because a member's checksum precedes
 * it. Metadata become the zip's comment, as JSON, which other programs ignore. Throws FormatError for metadata that are
 * not text or exceed the length of a comment, and for names that are too long; AbortError.
 */
export async function zipPieces(
  members: readonly NewMember[],
  metadata: Metadata,
  { signal }: WorkOptions,
): Promise<readonly Piece[]> {
  const comment = Object.keys(metadata).length === 0 ? "" : metadataText(metadata);
  const laid: ZipMember[] = [];
  for (const { name, pieces } of members) {
    const size = pieces.reduce((sum, { length }) => sum + length, 0);
    laid.push({ name, size, crc: await checksumOf(pieces, signal) });
  }
  const { heads, end } = layOutZip(laid, comment);
  return [...members.flatMap(({ pieces }, i) => [heads[i]!, ...pieces]), end];
}

async function checksumOf(pieces: readonly Piece[], signal: WorkOptions["signal"]): Promise<number> {
  const { crc32 } = await import("node:zlib"); // ten times as fast as a loop, and 2 ms to load
  let crc = 0;
  for (const piece of pieces) {
    for await (const chunk of piece instanceof Uint8Array ? [piece] : piece.chunks()) {
      throwIfAborted(signal);
      crc = crc32(chunk, crc);
    }
  }
  return crc;
}

export interface ZipMember {
  readonly name: string;
  /** The size of the member, in bytes. */
  readonly size: number;
  readonly crc: number;
}

/** Signatures of records. */
const LOCAL = 0x04034b50;
const CENTRAL = 0x02014b50;
const END_64 = 0x06064b50;
const LOCATOR_64 = 0x07064b50;
const END = 0x06054b50;
/** Values from here on are stored in 64-bit fields. The 32-bit or 16-bit field then holds this mark. */
const IN_64 = 0xffff_ffff;
const COUNT_IN_64 = 0xffff;
/** The version that a reader needs: 2.0, or 4.5 for zip64. */
const VERSION = 20;
const VERSION_64 = 45;
/** The flag for UTF-8 names and comments. */
const UTF_8 = 1 << 11;
/** 1980-01-01, the first date in a zip. A fixed date makes the bytes depend only on the tensors. */
const DATE = 0x21;
/** Extra fields: zip64, and padding under PyTorch's identifier. */
const ZIP64 = 1;
const PADDING = 0x4246;
/** The longest name or comment, in bytes. */
const LONGEST = 0xffff;

/**
 * The bytes before each member, and those after the last. Source: PKWARE's APPNOTE 6.3.10, sections 4.3 and 4.5.3.
 * Throws FormatError for a name or a comment of 64 KiB or more.
 */
export function layOutZip(
  members: readonly ZipMember[],
  comment: string,
): { readonly heads: readonly Uint8Array[]; readonly end: Uint8Array } {
  const heads: Uint8Array[] = [];
  const directory: Uint8Array[] = [];
  let at = 0;
  for (const { name: text, size, crc } of members) {
    const name = new TextEncoder().encode(text);
    if (name.length > LONGEST)
      throw new FormatError(`the name ${quote(text)} has ${name.length} bytes, and a zip's hold ${LONGEST}; rename it`);
    const sizes = size >= IN_64 ? [size, size] : [];
    const place = at >= IN_64 ? [at] : [];
    const common: readonly Field[] = [
      [2, sizes.length + place.length > 0 ? VERSION_64 : VERSION],
      [2, UTF_8],
      [2, 0], // stored
      [2, 0], // midnight
      [2, DATE],
      [4, crc],
      [4, Math.min(size, IN_64)],
      [4, Math.min(size, IN_64)],
      [2, name.length],
    ];
    const local = extraOf(sizes);
    const padding = paddingAt(at + 30 + name.length + local.length);
    const head = join([record([4, LOCAL], ...common, [2, local.length + padding.length]), name, local, padding]);
    const central = extraOf([...sizes, ...place]);
    directory.push(
      record(
        [4, CENTRAL],
        [2, VERSION_64],
        ...common,
        [2, central.length],
        [2, 0], // comment
        [2, 0], // disk
        [2, 0], // attributes
        [4, 0],
        [4, Math.min(at, IN_64)],
      ),
      name,
      central,
    );
    heads.push(head);
    at += head.length + size;
  }
  return { heads, end: join([...directory, directoryEnd(members.length, at, lengthOf(directory), comment)]) };
}

/** The records at the end of a zip, which hold the position of the directory. */
function directoryEnd(count: number, at: number, size: number, comment: string): Uint8Array {
  const text = new TextEncoder().encode(comment);
  if (text.length > LONGEST)
    throw new FormatError(
      `the metadata take ${text.length} bytes, and a zip's comment holds ${LONGEST}; ` +
        "leave some out, or write .safetensors",
    );
  const wide =
    count >= COUNT_IN_64 || at >= IN_64
      ? [
          record(
            [4, END_64],
            [8, 44],
            [2, VERSION_64],
            [2, VERSION_64],
            [4, 0],
            [4, 0],
            [8, count],
            [8, count],
            [8, size],
            [8, at],
          ),
          record([4, LOCATOR_64], [4, 0], [8, at + size], [4, 1]),
        ]
      : [];
  const few = Math.min(count, COUNT_IN_64);
  const end = record(
    [4, END],
    [2, 0],
    [2, 0],
    [2, few],
    [2, few],
    [4, Math.min(size, IN_64)],
    [4, Math.min(at, IN_64)],
    [2, text.length],
  );
  return join([...wide, end, text]);
}

/** An extra field of zip64; empty if there are no values. */
function extraOf(values: readonly number[]): Uint8Array {
  if (values.length === 0) return new Uint8Array();
  return record([2, ZIP64], [2, 8 * values.length], ...values.map((value): Field => [8, value]));
}

/** An extra field that ends at a multiple of ALIGNMENT. */
function paddingAt(place: number): Uint8Array {
  const length = ALIGNMENT - (place % ALIGNMENT); // an extra field has at least 4 bytes
  const fits = length < 4 ? length + ALIGNMENT : length;
  return join([record([2, PADDING], [2, fits - 4]), new Uint8Array(fits - 4)]);
}

/** A little-endian integer with this number of bytes. */
type Field = readonly [bytes: number, value: number];

function record(...fields: readonly Field[]): Uint8Array {
  return Uint8Array.from(
    fields.flatMap(([bytes, value]) => Array.from({ length: bytes }, (_, i) => Math.floor(value / 2 ** (8 * i)) % 256)),
  );
}

function lengthOf(pieces: readonly Uint8Array[]): number {
  return pieces.reduce((sum, { length }) => sum + length, 0);
}

function join(pieces: readonly Uint8Array[]): Uint8Array {
  const joined = new Uint8Array(lengthOf(pieces));
  let at = 0;
  for (const piece of pieces) {
    joined.set(piece, at);
    at += piece.length;
  }
  return joined;
}
