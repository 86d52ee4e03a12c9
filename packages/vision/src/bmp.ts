import { FormatError, UnsupportedError } from "@residual/core";
import { ByteReader } from "./byte-reader.ts";
import { greys, lookedUp, type Palette } from "./palette.ts";
import type { Pixels } from "./pixels.ts";
import { checkSize } from "./size-limit.ts";

const [RGB, RLE8, RLE4, BITFIELDS, ALPHABITFIELDS] = [0, 1, 2, 3, 6];

/** Lengths of the headers that follow the file's own 14 bytes, from OS/2's to version 5's. */
const HEADERS = [12, 40, 52, 56, 64, 108, 124];

interface Header {
  readonly width: number;
  /** Height of the picture, whichever row comes first. */
  readonly height: number;
  readonly topDown: boolean;
  readonly bits: number;
  readonly compression: number;
  /** Bits of red, green and blue in a pixel. */
  readonly masks: readonly number[];
  readonly palette: Palette;
  /** Where pixels begin. */
  readonly offset: number;
}

/**
 * The pixels of a BMP file as Pillow has them: 1, 4, 8, 16, 24 or 32 bits, run lengths too; alpha is dropped. Throws
 * FormatError for a damaged or cut file, UnsupportedError for other kinds. Source: Microsoft's BITMAPINFOHEADER and
 * BITMAPV5HEADER; Pillow, PIL/BmpImagePlugin.py.
 */
export function decodeBmp(bytes: Uint8Array, maxPixels: number): Pixels {
  const header = readHeader(bytes);
  const { width, height, bits, compression } = header;
  checkSize(width, height, maxPixels);
  const reader = new ByteReader(bytes, { at: header.offset });
  if (compression === RLE8 || compression === RLE4) return flipped(runLengths(reader, header), header);
  const stride = ((width * bits + 31) >>> 5) * 4;
  const rows = reader.take((height - 1) * stride + Math.ceil((width * bits) / 8));
  return flipped(bits > 8 ? direct(rows, stride, header) : indexed(rows, stride, header), header);
}

function readHeader(bytes: Uint8Array): Header {
  const reader = new ByteReader(bytes, { at: 10 });
  const offset = reader.u32();
  const size = reader.u32();
  if (!HEADERS.includes(size)) throw new FormatError(`found a BMP header of ${size} bytes, expected 12, 40 or 124`);
  const isOs2 = size === 12;
  const width = isOs2 ? reader.u16() : reader.i32();
  const rows = isOs2 ? reader.u16() : reader.i32();
  reader.take(2);
  const bits = reader.u16();
  const compression = isOs2 ? RGB : reader.u32();
  if (!isOs2) reader.take(12);
  const colours = isOs2 ? 0 : reader.u32();
  if (!isOs2) reader.take(4);
  // masks stand behind a header of 40 bytes, or in a longer one
  const masks = [RGB, RLE8, RLE4].includes(compression) ? plainMasks(bits) : [reader.u32(), reader.u32(), reader.u32()];
  if (size > 40) reader.at = 14 + size;
  checkKind(bits, compression, masks);
  const palette = bits > 8 ? new Uint8Array() : readPalette(reader, colours || 1 << bits, isOs2 ? 3 : 4);
  return { width, height: Math.abs(rows), topDown: rows < 0, bits, compression, masks, palette, offset };
}

function plainMasks(bits: number): readonly number[] {
  return bits === 16 ? [0x7c00, 0x3e0, 0x1f] : [0xff0000, 0xff00, 0xff];
}

function checkKind(bits: number, compression: number, masks: readonly number[]): void {
  const isMasked = compression === BITFIELDS || compression === ALPHABITFIELDS;
  const isKnown =
    (compression === RGB && [1, 4, 8, 16, 24, 32].includes(bits)) ||
    (compression === RLE8 && bits === 8) ||
    (compression === RLE4 && bits === 4) ||
    (isMasked && [16, 32].includes(bits));
  if (!isKnown) {
    throw new UnsupportedError(
      `found a BMP of ${bits} bits with compression ${compression}, expected one without; convert it to PNG`,
    );
  }
  for (const mask of masks) {
    const low = lowest(mask);
    const most = mask / low;
    if (mask > 0 && most <= 255 && Number.isInteger(Math.log2(most + 1))) continue;
    throw new UnsupportedError(`found a BMP whose colour has bits 0x${mask.toString(16)}; convert it to PNG`);
  }
}

/** The value of a mask's lowest bit. */
function lowest(mask: number): number {
  return (mask & -mask) >>> 0;
}

/** Blue, green, red, and a fourth byte in newer files. */
function readPalette(reader: ByteReader, colours: number, size: 3 | 4): Palette {
  const palette = greys();
  for (let colour = 0; colour < Math.min(colours, 256); colour++) {
    const [blue, green, red] = reader.take(size);
    palette.set([red!, green!, blue!], colour * 3);
  }
  return palette;
}

/** Rows of whole pixels, to 8 bits a colour: `value · 255 / most`, rounded down. */
function direct(rows: Uint8Array, stride: number, { width, height, bits, masks }: Header): Pixels {
  const data = new Uint8Array(width * height * 3);
  const parts = masks.map((mask) => ({ mask, low: lowest(mask), most: mask / lowest(mask) }));
  const size = bits / 8;
  for (let y = 0, to = 0; y < height; y++) {
    for (let from = y * stride, end = from + width * size; from < end; from += size) {
      let pixel = 0;
      for (let byte = size - 1; byte >= 0; byte--) pixel = pixel * 256 + rows[from + byte]!;
      for (const { mask, low, most } of parts) data[to++] = Math.floor(((((pixel & mask) >>> 0) / low) * 255) / most);
    }
  }
  return { width, height, data };
}

function indexed(rows: Uint8Array, stride: number, { width, height, bits, palette }: Header): Pixels {
  const indices = new Uint8Array(width * height);
  const most = (1 << bits) - 1;
  for (let y = 0, to = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const bit = x * bits;
      indices[to++] = (rows[y * stride + (bit >> 3)]! >> (8 - bits - (bit & 7))) & most;
    }
  }
  return lookedUp(width, height, indices, palette);
}

/** Pixels that no run covers have colour 0. */
function runLengths(reader: ByteReader, { width, height, bits, palette }: Header): Pixels {
  const indices = new Uint8Array(width * height);
  let [x, y] = [0, 0];
  const put = (index: number) => {
    if (x < width && y < height) indices[y * width + x] = index;
    x++;
  };
  const nibble = (byte: number, i: number) => (bits === 8 ? byte : i % 2 === 0 ? byte >> 4 : byte & 15);
  while (y < height) {
    const [count, value] = [reader.u8(), reader.u8()];
    if (count > 0) {
      for (let i = 0; i < count; i++) put(nibble(value, i));
    } else if (value === 0) {
      [x, y] = [0, y + 1];
    } else if (value === 1) {
      break;
    } else if (value === 2) {
      [x, y] = [x + reader.u8(), y + reader.u8()];
    } else {
      const length = Math.ceil((value * bits) / 8);
      const run = reader.take(length + (length % 2)); // runs end on an even byte
      for (let i = 0; i < value; i++) put(nibble(run[Math.floor((i * bits) / 8)]!, i));
    }
  }
  return lookedUp(width, height, indices, palette);
}

/** Rows come from the bottom, unless the header says otherwise. */
function flipped(pixels: Pixels, { topDown }: Header): Pixels {
  if (topDown) return pixels;
  const { width, height, data } = pixels;
  const stride = width * 3;
  const rows = new Uint8Array(data.length);
  for (let y = 0; y < height; y++) rows.set(data.subarray(y * stride, (y + 1) * stride), (height - 1 - y) * stride);
  return { width, height, data: rows };
}
