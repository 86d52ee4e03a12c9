import { FormatError, UnsupportedError } from "@residual/core";
import { ByteReader } from "./byte-reader.ts";
import { turned } from "./orientation.ts";
import type { Pixels } from "./pixels.ts";

/** Tags of a page, by their names in TIFF 6.0. */
const tag = {
  width: 256,
  length: 257,
  photometric: 262,
  stripOffsets: 273,
  orientation: 274,
  samplesPerPixel: 277,
  rowsPerStrip: 278,
  stripByteCounts: 279,
  planarConfiguration: 284,
  tileWidth: 322,
  tileLength: 323,
  tileOffsets: 324,
  tileByteCounts: 325,
  extraSamples: 338,
} as const;

/** Colours that Pillow does not turn into RGB either. Source: TIFF 6.0; libtiff, tiff.h. */
const unsupported: { readonly [photometric: number]: string } = {
  8: "CIE L*a*b* colours",
  9: "ICC L*a*b* colours",
  10: "ITU L*a*b* colours",
  32803: "a camera's raw data",
  32844: "LogLuv colours",
  32845: "LogLuv colours",
  34892: "a camera's linear raw data",
};

const [SHORT, LONG] = [3, 4];

/** Bytes of a value of each type: BYTE, SHORT, LONG. Others hold nothing that is read here. */
const sizes: { readonly [type: number]: number } = { 1: 1, [SHORT]: 2, [LONG]: 4 };

/** The orientation that an EXIF block, which is a TIFF, gives. 1 where it gives none, or is damaged. */
export function exifOrientation(exif: Uint8Array): number {
  try {
    return readDirectory(exif).entries.find(({ id }) => id === tag.orientation)?.value ?? 1;
  } catch (error) {
    if (error instanceof FormatError) return 1; // as in libvips and Pillow
    throw error;
  }
}

/** The first page of a TIFF, made ready for libvips. */
export interface TiffPage {
  /** To be decoded instead of the file. */
  readonly file: Uint8Array;
  /** Whether colours were multiplied by alpha, as ExtraSamples 1 says. */
  readonly isPremultiplied: boolean;
  /** From the decoded file to the picture: tiles are put in their places, and the picture is turned upright. */
  finish(decoded: Pixels): Pixels;
}

/**
 * The first page of a TIFF or BigTIFF, in a file that libvips decodes without mistakes: it passes over errors in tiles,
 * so tiles are declared to be strips, one below the other; and it stumbles over an orientation that is none, so it is
 * shown no orientation. The data stay where they are.
 *
 * Throws FormatError for a damaged file, UnsupportedError for colours that are not read. Source: TIFF 6.0, sections 2
 * and 15.
 */
export function tiffPage(bytes: Uint8Array): TiffPage {
  const directory = readDirectory(bytes);
  const { entries } = directory;
  const value = (id: number, otherwise = 0) => entries.find((entry) => entry.id === id)?.value ?? otherwise;
  const photometric = value(tag.photometric);
  if (Object.hasOwn(unsupported, photometric)) {
    const found = unsupported[photometric];
    throw new UnsupportedError(`found a TIFF of ${found}, expected RGB or grey; save it as an RGB PNG`);
  }
  const orientation = value(tag.orientation, 1);
  const page = { isPremultiplied: value(tag.extraSamples) === 1, orientation };
  const upright = entries.filter(({ id }) => id !== tag.orientation);
  if (!entries.some(({ id }) => id === tag.tileOffsets)) {
    const file = upright.length === entries.length ? bytes : withEntries(bytes, directory, upright);
    return { ...page, file, finish: (decoded) => turned(decoded, orientation) };
  }
  const tiles = tilesOf(directory, value);
  const strips = stripsOf(upright, tiles);
  return {
    ...page,
    file: withEntries(bytes, directory, strips),
    finish: (decoded) => turned(inPlaces(decoded, tiles), orientation),
  };
}

interface Directory {
  readonly at: number;
  readonly isBig: boolean;
  readonly littleEndian: boolean;
  readonly entries: readonly Entry[];
}

interface Entry {
  readonly id: number;
  /** The number of an entry that holds a single number. */
  readonly value: number | undefined;
  readonly values: number;
  /** As in the file: id, type, count, value or offset. */
  readonly raw: Uint8Array;
}

function readDirectory(bytes: Uint8Array): Directory {
  const littleEndian = bytes[0] === 0x49;
  const reader = new ByteReader(bytes, { at: 2, littleEndian });
  const isBig = reader.u16() === 43;
  if (isBig) reader.take(4);
  const at = isBig ? reader.u64() : reader.u32();
  reader.at = at;
  const count = isBig ? reader.u64() : reader.u16();
  const length = isBig ? 20 : 12;
  if (count * length > bytes.length) throw new FormatError(`found ${count} tags in ${bytes.length} bytes`);
  const entries = Array.from({ length: count }, () => readEntry(reader.take(length), littleEndian, isBig));
  return { at, isBig, littleEndian, entries };
}

function readEntry(raw: Uint8Array, littleEndian: boolean, isBig: boolean): Entry {
  const reader = new ByteReader(raw, { littleEndian });
  const [id, type] = [reader.u16(), reader.u16()];
  const values = isBig ? reader.u64() : reader.u32();
  const size = sizes[type];
  const isInside = size !== undefined && values >= 1 && values * size <= (isBig ? 8 : 4);
  const value = isInside ? (size === 1 ? reader.u8() : size === 2 ? reader.u16() : reader.u32()) : undefined;
  return { id, value, values, raw };
}

interface Tiles {
  readonly width: number;
  readonly height: number;
  readonly tileWidth: number;
  readonly tileHeight: number;
  readonly across: number;
  readonly down: number;
  /** Writes an entry of one number in the file's own way. */
  readonly entry: (id: number, value: number) => Entry;
}

function tilesOf(directory: Directory, value: (id: number, otherwise?: number) => number): Tiles {
  const [width, height] = [value(tag.width), value(tag.length)];
  const [tileWidth, tileHeight] = [value(tag.tileWidth), value(tag.tileLength)];
  const [across, down] = [Math.ceil(width / tileWidth), Math.ceil(height / tileHeight)];
  const planes = value(tag.planarConfiguration, 1) === 2 ? value(tag.samplesPerPixel, 1) : 1;
  const found = directory.entries.find(({ id }) => id === tag.tileOffsets)!.values;
  if (!(across * down * planes === found && found > 0)) {
    const size = `${width} x ${height} pixels in tiles of ${tileWidth} x ${tileHeight}`;
    throw new FormatError(`found ${found} tiles, expected ${across * down * planes} for ${size}`);
  }
  return { width, height, tileWidth, tileHeight, across, down, entry: entryWriter(directory) };
}

function entryWriter({ isBig, littleEndian }: Directory): Tiles["entry"] {
  return (id, value) => {
    const raw = new Uint8Array(isBig ? 20 : 12);
    const view = new DataView(raw.buffer);
    view.setUint16(0, id, littleEndian);
    view.setUint16(2, LONG, littleEndian);
    if (isBig) view.setBigUint64(4, 1n, littleEndian);
    else view.setUint32(4, 1, littleEndian);
    view.setUint32(isBig ? 12 : 8, value, littleEndian);
    return { id, value, values: 1, raw };
  };
}

/** The entries of an image that is one tile wide and as high as all tiles together. */
function stripsOf(entries: readonly Entry[], { tileWidth, tileHeight, across, down, entry }: Tiles): readonly Entry[] {
  const replaced: readonly number[] = [tag.width, tag.length, tag.rowsPerStrip, tag.stripOffsets, tag.stripByteCounts];
  const kept = entries.filter(({ id }) => !replaced.includes(id) && id !== tag.tileWidth && id !== tag.tileLength);
  const renamed = kept.map((each) =>
    each.id === tag.tileOffsets
      ? { ...each, id: tag.stripOffsets }
      : each.id === tag.tileByteCounts
        ? { ...each, id: tag.stripByteCounts }
        : each,
  );
  const size = [
    entry(tag.width, tileWidth),
    entry(tag.length, tileHeight * across * down),
    entry(tag.rowsPerStrip, tileHeight),
  ];
  return [...renamed, ...size].sort((a, b) => a.id - b.id);
}

/** A copy of the file with other entries, no more than it had, and no further page. */
function withEntries(bytes: Uint8Array, { at, isBig, littleEndian }: Directory, entries: readonly Entry[]): Uint8Array {
  const copy = bytes.slice();
  const view = new DataView(copy.buffer);
  if (isBig) view.setBigUint64(at, BigInt(entries.length), littleEndian);
  else view.setUint16(at, entries.length, littleEndian);
  let next = at + (isBig ? 8 : 2);
  for (const { id, raw } of entries) {
    copy.set(raw, next);
    view.setUint16(next, id, littleEndian);
    next += raw.length;
  }
  copy.fill(0, next, next + (isBig ? 8 : 4));
  return copy;
}

/** From a column of tiles to rows of tiles. Pixels beyond the picture's edges are cut off. */
function inPlaces({ data }: Pixels, { width, height, tileWidth, tileHeight, across }: Tiles): Pixels {
  const picture = new Uint8Array(width * height * 3);
  for (let y = 0; y < height; y++) {
    for (let column = 0; column < across; column++) {
      const tile = Math.floor(y / tileHeight) * across + column;
      const from = (tile * tileHeight + (y % tileHeight)) * tileWidth * 3;
      const length = Math.min(tileWidth, width - column * tileWidth) * 3;
      picture.set(data.subarray(from, from + length), (y * width + column * tileWidth) * 3);
    }
  }
  return { width, height, data: picture };
}
