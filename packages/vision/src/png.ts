import { FormatError } from "@residual/core";
import { inflate } from "@residual/kit/inflate";
import { timeSlices } from "@residual/kit/turns";
import { ByteReader } from "./byte-reader.ts";
import { turned } from "./orientation.ts";
import { greys, type Palette } from "./palette.ts";
import type { Pixels } from "./pixels.ts";
import { pngChunks } from "./png-chunks.ts";
import type { PortableOptions } from "./portable.ts";
import { checkSize } from "./size-limit.ts";
import { exifOrientation } from "./tiff.ts";

/**
 * Decodes a PNG as libpng does: samples of 16 bits keep their high byte, alpha is dropped, gamma and colour profiles
 * are not applied. The platform inflates the rows, and stops where they take more bytes than the header's size needs.
 * Yields to the event loop every few milliseconds. Throws FormatError for a damaged or cut file, and for more than
 * `maxPixels`. Source: the PNG specification.
 */
export async function decodePng(bytes: Uint8Array, { upright, maxPixels }: PortableOptions): Promise<Pixels> {
  const breathe = timeSlices();
  const { header, colours, orientation, deflated } = await readChunks(bytes, breathe);
  checkSize(header.width, header.height, maxPixels);
  const passes = passesOf(header);
  const rows = await inflate(deflated, "deflate", passes.at(-1)!.end, refuse);
  const data = new Uint8Array(header.width * header.height * 3);
  const draw = rowDrawer(header, colours, data);
  for (const pass of passes) await drawPass(pass, rows, header.bits, draw, breathe);
  const pixels = { width: header.width, height: header.height, data };
  return upright ? turned(pixels, orientation) : pixels;
}

interface Header {
  readonly width: number;
  readonly height: number;
  /** Bits of a sample. */
  readonly depth: number;
  /** Bits of a pixel. */
  readonly bits: number;
  readonly type: number;
  readonly isInterlaced: boolean;
}

interface Chunks {
  readonly header: Header;
  /** The colours that pixels are indices of; undefined where pixels are samples. */
  readonly colours: Palette | undefined;
  readonly orientation: number;
  /** The data of all IDAT chunks. */
  readonly deflated: Uint8Array;
}

type Breathe = () => Promise<void>;

async function readChunks(bytes: Uint8Array, breathe: Breathe): Promise<Chunks> {
  if (bytes[6] !== 0x1a || bytes[7] !== 0x0a) throw new FormatError("found a damaged PNG signature; get the file anew");
  const deflated = new Uint8Array(bytes.length); // IDAT chunks are joined one by one, since a file may have millions
  const chunks = pngChunks(bytes);
  const first = chunks.next().value;
  if (first?.name !== "IHDR")
    throw new FormatError(`found the chunk ${first?.name} first, expected IHDR; get the file anew`);
  const header = readHeader(first.data);
  let palette: Palette | undefined;
  let [length, orientation] = [0, 1];
  for (const { name: kind, data } of chunks) {
    await breathe();
    if (kind === "PLTE") palette = readPalette(data);
    else if (kind === "eXIf") orientation = exifOrientation(data);
    else if (kind === "IDAT") {
      deflated.set(data, length);
      length += data.length;
    } else if (!/^([a-z][a-zA-Z]{3}|IEND)$/.test(kind))
      throw new FormatError(`found the chunk ${kind} where no PNG has it; get the file anew`);
  }
  return { header, colours: coloursOf(header, palette), orientation, deflated: deflated.subarray(0, length) };
}

function coloursOf({ type, depth }: Header, palette: Palette | undefined): Palette | undefined {
  if (type === GREY && depth <= 8) return greys(depth);
  if (type !== PALETTE) return undefined;
  if (!palette) throw new FormatError("found a PNG without the palette that it needs; get the file anew");
  return palette;
}

const [GREY, RGB, PALETTE, GREY_ALPHA, RGBA] = [0, 2, 3, 4, 6];

/** By colour type: the samples of a pixel, and the allowed depths. Source: the PNG specification, table 11.1. */
const types: { readonly [type: number]: readonly [samples: number, depths: readonly number[]] } = {
  [GREY]: [1, [1, 2, 4, 8, 16]],
  [RGB]: [3, [8, 16]],
  [PALETTE]: [1, [1, 2, 4, 8]],
  [GREY_ALPHA]: [2, [8, 16]],
  [RGBA]: [4, [8, 16]],
};

function readHeader(data: Uint8Array): Header {
  const reader = new ByteReader(data, { littleEndian: false });
  const [width, height] = [reader.u32(), reader.u32()];
  const [depth, type] = [reader.u8(), reader.u8()];
  const [compression, filter, interlace] = [reader.u8(), reader.u8(), reader.u8()];
  const [samples, depths] = types[type] ?? [0, []];
  if (!depths.includes(depth) || compression !== 0 || filter !== 0 || interlace > 1) {
    const found = `depth ${depth}, colour type ${type}, compression ${compression}, filter ${filter}`;
    throw new FormatError(`found ${found}, interlacing ${interlace}, which no PNG has; get the file anew`);
  }
  return { width, height, depth, bits: depth * samples, type, isInterlaced: interlace === 1 };
}

function readPalette(data: Uint8Array): Palette {
  if (data.length % 3 !== 0 || data.length > 768) {
    const expected = "expected 3 bytes for each of at most 256 colours";
    throw new FormatError(`found a palette of ${data.length} bytes, ${expected}; get the file anew`);
  }
  const palette = new Uint8Array(768); // colours that it lacks are black
  palette.set(data);
  return palette;
}

/**
 * The pixels that follow one another in the file: every `stepX`-th column from `x` on, of every `stepY`-th row from `y`
 * on. A file without interlacing has one pass.
 */
interface Pass {
  readonly x: number;
  readonly y: number;
  readonly stepX: number;
  readonly stepY: number;
  readonly columns: number;
  readonly rows: number;
  /** Bytes of a row, without its filter byte. */
  readonly rowBytes: number;
  /** Bytes [begin, end) of the inflated rows. */
  readonly begin: number;
  readonly end: number;
}

/** Source: the PNG specification, 8.2. */
const adam7 = [
  [0, 0, 8, 8],
  [4, 0, 8, 8],
  [0, 4, 4, 8],
  [2, 0, 4, 4],
  [0, 2, 2, 4],
  [1, 0, 2, 2],
  [0, 1, 1, 2],
] as const;

function passesOf({ width, height, bits, isInterlaced }: Header): readonly Pass[] {
  let end = 0;
  return (isInterlaced ? adam7 : ([[0, 0, 1, 1]] as const)).map(([x, y, stepX, stepY]) => {
    const columns = Math.ceil((width - x) / stepX); // at least 0, since x < stepX
    const rows = columns === 0 ? 0 : Math.ceil((height - y) / stepY);
    const rowBytes = Math.ceil((columns * bits) / 8);
    const begin = end;
    end += rows * (1 + rowBytes);
    return { x, y, stepX, stepY, columns, rows, rowBytes, begin, end };
  });
}

function refuse(reason: string): never {
  throw new FormatError(`found a damaged or cut PNG (${reason}); get the file anew`);
}

type DrawRow = (line: Uint8Array, pass: Pass, row: number) => void;

async function drawPass(pass: Pass, rows: Uint8Array, bits: number, draw: DrawRow, breathe: Breathe): Promise<void> {
  let above: Uint8Array = new Uint8Array(pass.rowBytes);
  for (let row = 0, at = pass.begin; row < pass.rows; row++, at += 1 + pass.rowBytes) {
    const line = rows.subarray(at + 1, at + 1 + pass.rowBytes);
    unfilter(rows[at]!, line, above, Math.max(1, bits >> 3));
    draw(line, pass, row);
    above = line;
    await breathe();
  }
}

/** Undoes a row's filter, in place; `step` is the bytes of a pixel. Source: the PNG specification, 9.2. */
function unfilter(filter: number, line: Uint8Array, above: Uint8Array, step: number): void {
  if (filter > 4) throw new FormatError(`found the filter ${filter}, expected at most 4; get the file anew`);
  if (filter === 1) for (let i = step; i < line.length; i++) line[i]! += line[i - step]!;
  if (filter === 2) for (let i = 0; i < line.length; i++) line[i]! += above[i]!;
  if (filter === 3) for (let i = 0; i < line.length; i++) line[i]! += ((line[i - step] ?? 0) + above[i]!) >> 1;
  if (filter === 4) {
    for (let i = 0; i < step; i++) line[i]! += above[i]!; // left and corner are 0
    for (let i = step; i < line.length; i++) line[i]! += paeth(line[i - step]!, above[i]!, above[i - step]!);
  }
}

/** The neighbour that is nearest to `left + up - corner`. In a tie left wins over up, and up over corner. */
function paeth(left: number, up: number, corner: number): number {
  const toLeft = Math.abs(up - corner);
  const toUp = Math.abs(left - corner);
  const toCorner = Math.abs(left + up - 2 * corner);
  if (toLeft <= toUp && toLeft <= toCorner) return left;
  return toUp <= toCorner ? up : corner;
}

/** Writes rows into `data`, the picture as RGB. */
function rowDrawer(header: Header, colours: Palette | undefined, data: Uint8Array): DrawRow {
  const draw = colours ? indexed(header.depth, colours, data) : sampled(header, data);
  return (line, { x, y, stepX, stepY, columns }, row) => {
    draw(line, columns, ((y + row * stepY) * header.width + x) * 3, stepX * 3);
  };
}

/** Writes a row's pixels from byte `to` on, every `step` bytes. */
type DrawPixels = (line: Uint8Array, columns: number, to: number, step: number) => void;

function indexed(depth: number, colours: Palette, data: Uint8Array): DrawPixels {
  const mask = (1 << depth) - 1;
  return (line, columns, begin, step) => {
    for (let i = 0, bit = 0, to = begin; i < columns; i++, bit += depth, to += step) {
      const from = ((line[bit >> 3]! >> (8 - depth - (bit & 7))) & mask) * 3;
      data[to] = colours[from]!;
      data[to + 1] = colours[from + 1]!;
      data[to + 2] = colours[from + 2]!;
    }
  };
}

function sampled({ depth, bits, type, isInterlaced }: Header, data: Uint8Array): DrawPixels {
  if (type === RGB && depth === 8 && !isInterlaced) return (line, _, begin) => data.set(line, begin);
  const next = type === RGB || type === RGBA ? depth >> 3 : 0; // grey is repeated
  return (line, columns, begin, step) => {
    for (let i = 0, from = 0, to = begin; i < columns; i++, from += bits >> 3, to += step) {
      data[to] = line[from]!;
      data[to + 1] = line[from + next]!;
      data[to + 2] = line[from + 2 * next]!;
    }
  };
}
