import { FormatError } from "@residual/core";
import { ByteReader } from "./byte-reader.ts";
import { greys, lookedUp, type Palette } from "./palette.ts";
import type { Pixels } from "./pixels.ts";
import { checkSize } from "./size-limit.ts";

const EXTENSION = 0x21;
const IMAGE = 0x2c;
const GRAPHIC_CONTROL = 0xf9;

/**
 * The first frame of a GIF as Pillow has it: on a ground of the transparent colour where the frame has one, else of
 * colour 0, as large as the screen, or larger where the frame reaches beyond it. Transparent pixels keep the colour
 * that the palette has for them. Without a palette indices are greys.
 *
 * Throws FormatError for a damaged or cut file. Source: the GIF89a specification; Pillow, PIL/GifImagePlugin.py.
 */
export function decodeGif(bytes: Uint8Array, maxPixels: number): Pixels {
  const reader = new ByteReader(bytes, { at: 6 });
  const screen = { width: reader.u16(), height: reader.u16() };
  const flags = reader.u8();
  reader.take(2); // the ground's index, which Pillow does not use for a first frame, and the aspect ratio
  const shared = paletteOf(reader, flags);
  const transparent = skipToImage(reader);
  const [left, top, frameWidth, frameHeight] = [reader.u16(), reader.u16(), reader.u16(), reader.u16()];
  const frameFlags = reader.u8();
  const palette = paletteOf(reader, frameFlags) ?? shared ?? greys();
  const width = Math.max(screen.width, left + frameWidth);
  const height = Math.max(screen.height, top + frameHeight);
  checkSize(width, height, maxPixels);
  const frame = decodeLzw(reader, frameWidth * frameHeight);
  const indices = new Uint8Array(width * height).fill(transparent ?? 0);
  const rowOf = frameFlags & 0x40 ? interlacedRows(frameHeight) : undefined;
  for (let row = 0; row < frameHeight; row++) {
    const y = top + (rowOf?.[row] ?? row);
    indices.set(frame.subarray(row * frameWidth, (row + 1) * frameWidth), y * width + left);
  }
  return lookedUp(width, height, indices, palette);
}

function paletteOf(reader: ByteReader, flags: number): Palette | undefined {
  if (!(flags & 0x80)) return undefined;
  const palette = greys();
  palette.set(reader.take(3 << ((flags & 7) + 1)));
  return palette;
}

/** Moves to behind the first image's mark; the index of its transparent colour, if it has one. */
function skipToImage(reader: ByteReader): number | undefined {
  let transparent: number | undefined;
  for (;;) {
    const mark = reader.u8();
    if (mark === IMAGE) return transparent;
    if (mark === 0x3b) throw new FormatError("found a GIF without an image");
    if (mark !== EXTENSION) continue; // Pillow passes stray bytes over
    const label = reader.u8();
    for (const [at, block] of [...blocksOf(reader)].entries()) {
      if (label === GRAPHIC_CONTROL && at === 0 && block.length >= 4) {
        transparent = block[0]! & 1 ? block[3] : undefined;
      }
    }
  }
}

/** Blocks of at most 255 bytes, up to an empty one. */
function* blocksOf(reader: ByteReader): Generator<Uint8Array> {
  for (let length = reader.u8(); length > 0; length = reader.u8()) yield reader.take(length);
}

/** The row of the picture that each row of the file is. */
function interlacedRows(height: number): readonly number[] {
  const passes = [
    [0, 8],
    [4, 8],
    [2, 4],
    [1, 2],
  ] as const;
  return passes.flatMap(([first, step]) =>
    Array.from({ length: Math.max(0, Math.ceil((height - first) / step)) }, (_, i) => first + i * step),
  );
}

const LONGEST = 4096;

/** `count` indices. Source: the GIF89a specification, appendix F. */
function decodeLzw(reader: ByteReader, count: number): Uint8Array {
  const bits = reader.u8();
  if (!(bits >= 1 && bits <= 8)) throw new FormatError(`found LZW codes of ${bits} bits, expected 1 to 8`);
  const [clear, end] = [1 << bits, (1 << bits) + 1];
  const prefix = new Uint16Array(LONGEST);
  const suffix = Uint8Array.from({ length: LONGEST }, (_, code) => (code < clear ? code : 0));
  const text = new Uint8Array(LONGEST + 1);
  const indices = new Uint8Array(count);
  let [width, next, previous, first, done] = [bits + 1, clear + 2, -1, 0, 0];
  let [buffer, held] = [0, 0];
  for (const block of blocksOf(reader)) {
    for (const byte of block) {
      buffer |= byte << held;
      held += 8;
      while (held >= width) {
        const code = buffer & ((1 << width) - 1);
        buffer >>>= width;
        held -= width;
        if (code === clear) {
          [width, next, previous] = [bits + 1, clear + 2, -1];
          continue;
        }
        if (code === end || code > next || (code === next && previous < 0)) return whole(indices, done, code === end);
        let length = 0;
        let at = code;
        if (code === next) {
          text[length++] = first; // the entry that is about to be made
          at = previous;
        }
        for (; at >= clear; at = prefix[at]!) text[length++] = suffix[at]!;
        first = at;
        text[length++] = first;
        while (length > 0 && done < count) indices[done++] = text[--length]!;
        if (done === count) return indices;
        if (previous >= 0 && next < LONGEST) {
          prefix[next] = previous;
          suffix[next++] = first;
          if (next === 1 << width && width < 12) width++;
        }
        previous = code;
      }
    }
  }
  return whole(indices, done, true);
}

function whole(indices: Uint8Array, done: number, isCode: boolean): Uint8Array {
  if (!isCode) throw new FormatError("found an LZW code that is not in its table");
  if (done === indices.length) return indices;
  throw new FormatError(`found ${done} pixels, expected ${indices.length}; the file is cut`);
}
