/** A file within a zip. */
export interface Member {
  readonly name: string;
  /** The size in the archive, in bytes. */
  readonly size: number;
  /** Whether the bytes are stored unchanged, neither compressed nor encrypted. */
  readonly isStored: boolean;
  /** Whether the bytes are compressed with deflate, and not encrypted. */
  readonly isDeflated: boolean;
  /** The size after decompression, in bytes. */
  readonly unpackedSize: number;
  /** CRC-32 of the decompressed bytes. */
  readonly crc: number;
  /** The position of the member's local header, in bytes. The member follows the header. */
  readonly header: number;
}

/** The directory at the end of a zip. */
export interface Directory {
  readonly members: readonly Member[];
  /** The zip's comment, as text. */
  readonly comment: string;
}

/** Reads `size` bytes from `offset` on. Refuses a range outside of the file. */
export type ReadRange = (offset: number, size: number) => Promise<Uint8Array>;
export type Refuse = (message: string) => never;

/** Signatures of records. */
const END = 0x06054b50;
const END_64 = 0x06064b50;
const LOCATOR_64 = 0x07064b50;
const MEMBER = 0x02014b50;
const LOCAL = 0x04034b50;
/** Sizes of records without their variable parts, in bytes. */
const END_SIZE = 22;
const LOCATOR_SIZE = 20;
const MEMBER_SIZE = 46;
const LOCAL_SIZE = 30;
/** Compression methods. */
const STORED = 0;
const DEFLATED = 8;
/** The 32-bit value that stands for a 64-bit value elsewhere. */
const IN_64 = 0xffff_ffff;

/**
 * Reads the members in a zip's central directory, zip64 included. Calls `refuse` if the bytes are not a zip, or are
 * damaged. Source: PKWARE's APPNOTE 6.3.10, sections 4.3 and 4.5.3.
 */
export async function readDirectory(size: number, read: ReadRange, refuse: Refuse): Promise<Directory> {
  const place = await locate(size, read, refuse);
  const bytes = await read(place.offset, place.size);
  const view = viewOf(bytes);
  const members: Member[] = [];
  for (let at = 0; members.length < place.count; ) {
    if (at + MEMBER_SIZE > bytes.length || view.getUint32(at, true) !== MEMBER)
      refuse(`its zip lists ${members.length} of ${place.count} members`);
    const [name, extra, comment] = [28, 30, 32].map((field) => view.getUint16(at + field, true)) as [
      number,
      number,
      number,
    ];
    const next = at + MEMBER_SIZE + name + extra + comment;
    if (next > bytes.length) refuse(`its zip lists ${members.length} of ${place.count} members`);
    const fields = [24, 20, 42].map((field) => view.getUint32(at + field, true)); // size, compressed size, header
    const extraAt = at + MEMBER_SIZE + name;
    const [whole, stored, header] = widened(fields, viewOf(bytes.subarray(extraAt, extraAt + extra)), refuse);
    const [flags, method] = [view.getUint16(at + 8, true), view.getUint16(at + 10, true)];
    const isEncrypted = (flags & 1) === 1;
    members.push({
      name: textOf(bytes.subarray(at + MEMBER_SIZE, extraAt)),
      size: stored!,
      isStored: method === STORED && whole === stored && !isEncrypted,
      isDeflated: method === DEFLATED && !isEncrypted,
      unpackedSize: whole!,
      crc: view.getUint32(at + 16, true),
      header: header!,
    });
    at = next;
  }
  return { members, comment: place.comment };
}

/** The position of a member's bytes, after its local header. */
export async function offsetOf({ name, header }: Member, read: ReadRange, refuse: Refuse): Promise<number> {
  const view = viewOf(await read(header, LOCAL_SIZE));
  if (view.getUint32(0, true) !== LOCAL)
    refuse(`its zip has no member ${JSON.stringify(name.slice(0, 100))} where it says`);
  return header + LOCAL_SIZE + view.getUint16(26, true) + view.getUint16(28, true);
}

interface Place {
  readonly offset: number;
  readonly size: number;
  readonly count: number;
  readonly comment: string;
}

/**
 * The position of the central directory. The record at the file's end contains it; a comment of at most 65,535 bytes
 * may follow the record.
 */
async function locate(size: number, read: ReadRange, refuse: Refuse): Promise<Place> {
  const length = Math.min(size, END_SIZE + 0xffff);
  const bytes = await read(size - length, length);
  const tail = viewOf(bytes);
  for (let at = length - END_SIZE; at >= 0; at--) {
    if (tail.getUint32(at, true) !== END || at + END_SIZE + tail.getUint16(at + 20, true) !== length) continue;
    const comment = textOf(bytes.subarray(at + END_SIZE));
    const place = {
      comment,
      count: tail.getUint16(at + 10, true),
      size: tail.getUint32(at + 12, true),
      offset: tail.getUint32(at + 16, true),
    };
    const isWide = place.count === 0xffff || place.size === IN_64 || place.offset === IN_64;
    return isWide ? { comment, ...(await locate64(size - length + at, read, refuse)) } : place;
  }
  return refuse("its zip has no end: the file is cut off, or something else");
}

async function locate64(end: number, read: ReadRange, refuse: Refuse): Promise<Omit<Place, "comment">> {
  const locator = viewOf(await read(end - LOCATOR_SIZE, LOCATOR_SIZE));
  if (locator.getUint32(0, true) !== LOCATOR_64) refuse("its zip lacks the locator of zip64");
  const record = viewOf(await read(wide(locator, 8, refuse), 56));
  if (record.getUint32(0, true) !== END_64) refuse("its zip lacks the end of zip64");
  return { count: wide(record, 32, refuse), size: wide(record, 40, refuse), offset: wide(record, 48, refuse) };
}

/** Fields of 32 bits. Marked fields are replaced by the 64-bit values in extra field 1. */
function widened(fields: readonly number[], extra: DataView, refuse: Refuse): readonly number[] {
  if (!fields.includes(IN_64)) return fields;
  for (let at = 0; at + 4 <= extra.byteLength; at += 4 + extra.getUint16(at + 2, true)) {
    if (extra.getUint16(at, true) !== 1) continue;
    const end = Math.min(extra.byteLength, at + 4 + extra.getUint16(at + 2, true));
    let from = at + 4;
    return fields.map((field) => {
      if (field !== IN_64) return field;
      if (from + 8 > end) refuse("its zip lacks a size of zip64");
      from += 8;
      return wide(extra, from - 8, refuse);
    });
  }
  return refuse("its zip lacks the sizes of zip64");
}

function wide(view: DataView, at: number, refuse: Refuse): number {
  const value = view.getBigUint64(at, true);
  if (value > BigInt(Number.MAX_SAFE_INTEGER)) refuse(`its zip reaches to byte ${value}`);
  return Number(value);
}

function viewOf({ buffer, byteOffset, byteLength }: Uint8Array): DataView {
  return new DataView(buffer, byteOffset, byteLength);
}

function textOf(bytes: Uint8Array): string {
  return new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes);
}
