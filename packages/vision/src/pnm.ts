import { FormatError } from "@residual/core";
import type { Pixels } from "./pixels.ts";
import { checkSize } from "./size-limit.ts";

/** The format of the digit after `P`. */
const kinds = {
  1: { channels: 1, plain: true, bilevel: true },
  2: { channels: 1, plain: true, bilevel: false },
  3: { channels: 3, plain: true, bilevel: false },
  4: { channels: 1, plain: false, bilevel: true },
  5: { channels: 1, plain: false, bilevel: false },
  6: { channels: 3, plain: false, bilevel: false },
} as const;

/**
 * The pixels of a PBM, PGM or PPM file, as numbers or in binary, as Pillow has them: samples become
 * `value · 255 / maximum`, rounded to even halves. Grey of more than 8 bits is read by its high byte, where Pillow
 * clips.
 *
 * Throws FormatError for a damaged or cut file. Source: netpbm's manual pages; Pillow, PIL/PpmImagePlugin.py.
 */
export function decodePnm(bytes: Uint8Array, maxPixels: number): Pixels {
  const kind = kinds[(bytes[1]! - 48) as keyof typeof kinds];
  const header = new Tokens(bytes, 2);
  const [width, height] = [header.number(), header.number()];
  const maximum = kind.bilevel ? 1 : header.number();
  if (!(maximum >= 1 && maximum <= 65535)) {
    throw new FormatError(`found samples of at most ${maximum}, expected 1 to 65535`);
  }
  checkSize(width, height, maxPixels);
  const count = width * height * kind.channels;
  const next = kind.plain
    ? plainSamples(header, count, kind.bilevel, maximum)
    : binarySamples(header, width, height, kind, maximum);
  const eight = eightBits(maximum, kind);
  const data = new Uint8Array(width * height * 3);
  for (let i = 0; i < data.length; i += 3) {
    const first = eight(next());
    data[i] = first;
    data[i + 1] = kind.channels === 1 ? first : eight(next());
    data[i + 2] = kind.channels === 1 ? first : eight(next());
  }
  return { width, height, data };
}

type Kind = (typeof kinds)[keyof typeof kinds];

/** A sample in 8 bits. */
function eightBits(maximum: number, { channels, bilevel }: Kind): (value: number) => number {
  if (bilevel) return (value) => (value ? 0 : 255);
  if (maximum === 255) return (value) => value;
  if (channels === 1 && maximum > 255) return (value) => scaled(value, maximum, 65535) >> 8;
  return (value) => scaled(value, maximum, 255);
}

function scaled(value: number, maximum: number, most: number): number {
  const exact = (value / maximum) * most;
  const below = Math.floor(exact);
  const isUp = exact - below > 0.5 || (exact - below === 0.5 && below % 2 === 1);
  return Math.min(most, isUp ? below + 1 : below);
}

function binarySamples(
  { bytes, at }: Tokens,
  width: number,
  height: number,
  { channels, bilevel }: Kind,
  maximum: number,
): () => number {
  const begin = at + 1; // one white space ends the header
  const size = maximum > 255 ? 2 : 1;
  const stride = bilevel ? Math.ceil(width / 8) : width * channels * size;
  const found = Math.max(0, bytes.length - begin);
  if (found < stride * height) {
    throw new FormatError(`found ${found} bytes of pixels, expected ${stride * height}; the file is cut`);
  }
  let next = begin;
  if (size === 2) return () => bytes[next++]! * 256 + bytes[next++]!;
  if (!bilevel) return () => bytes[next++]!;
  let [x, row] = [0, begin];
  return () => {
    if (x === width) [x, row] = [0, row + stride];
    return (bytes[row + (x >> 3)]! >> (7 - (x++ & 7))) & 1;
  };
}

/** Numbers as text, none of them above the maximum. Those of PBM need no space between them. */
function plainSamples(tokens: Tokens, count: number, bilevel: boolean, maximum: number): () => number {
  const found = tokens.bytes.length - tokens.at;
  if (found < count) throw new FormatError(`found ${found} bytes of pixels, expected ${count}; the file is cut`);
  if (bilevel) return () => tokens.bit();
  return () => {
    const value = tokens.number();
    if (value <= maximum) return value;
    throw new FormatError(`found a sample of ${value}, expected at most ${maximum}; the file is damaged`);
  };
}

const HASH = 35;

/** Words between white space; `#` starts a comment up to the line's end. */
class Tokens {
  readonly bytes: Uint8Array;
  at: number;

  constructor(bytes: Uint8Array, at: number) {
    this.bytes = bytes;
    this.at = at;
  }

  number(): number {
    this.#skipSpace();
    const begin = this.at;
    let value = 0;
    for (let digit = this.#digit(); digit >= 0; digit = this.#digit()) {
      value = value * 10 + digit;
      this.at++;
    }
    if (this.at > begin && this.at - begin <= 10) return value;
    throw new FormatError(`found no number at byte ${begin}; the file is damaged or cut`);
  }

  bit(): number {
    this.#skipSpace();
    const digit = this.#digit();
    this.at++;
    if (digit === 0 || digit === 1) return digit;
    throw new FormatError(`found neither 0 nor 1 at byte ${this.at - 1}; the file is damaged or cut`);
  }

  #digit(): number {
    const digit = (this.bytes[this.at] ?? 0) - 48;
    return digit <= 9 ? digit : -1;
  }

  #skipSpace(): void {
    for (;;) {
      const byte = this.bytes[this.at];
      if (byte === HASH)
        while (this.at < this.bytes.length && !/[\r\n]/.test(String.fromCharCode(this.bytes[this.at]!))) this.at++;
      else if (byte === undefined || !(byte === 32 || (byte >= 9 && byte <= 13))) return;
      else this.at++;
    }
  }
}
