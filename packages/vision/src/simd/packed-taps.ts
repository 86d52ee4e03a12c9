import type { Taps } from "../taps.ts";

/** Taps as kernels.wat reads them. */
export interface PackedTaps {
  readonly bytes: Uint8Array;
  /** Bytes of the taps of one target pixel. */
  readonly stride: number;
}

/** Bytes of a start and a number of pairs; of two pairs of weights. */
const HEAD = 8;
const TWO_PAIRS = 16;

/** Bits of a weight's lower part: it is not negative as an i16. */
const LOW_BITS = 15;

const packed = new WeakMap<Taps, PackedTaps>();

/** `taps` packed, once for each. */
export function packedTaps(taps: Taps): PackedTaps {
  const known = packed.get(taps) ?? pack(taps);
  packed.set(taps, known);
  return known;
}

/** The most bytes that taps take when they are packed. */
export function mostPackedBytes({ start, stride }: Taps): number {
  return start.length * bytesOf(stride);
}

/** Bytes of a target pixel with `taps` weights. */
function bytesOf(taps: number): number {
  return HEAD + TWO_PAIRS * Math.ceil(taps / 4);
}

function pack({ start, length, weight, stride }: Taps): PackedTaps {
  const bytes = bytesOf(length.reduce((most, each) => Math.max(most, each)));
  const view = new DataView(new ArrayBuffer(start.length * bytes));
  for (let i = 0; i < start.length; i++) {
    const at = i * bytes;
    view.setInt32(at, start[i]!, true);
    view.setInt32(at + 4, Math.ceil(length[i]! / 2), true);
    for (let tap = 0; tap < length[i]!; tap++) {
      const each = weight[i * stride + tap]!;
      const to = at + HEAD + (tap >> 1) * 8 + (tap & 1) * 2;
      view.setInt16(to, each & ((1 << LOW_BITS) - 1), true);
      view.setInt16(to + 4, each >> LOW_BITS, true);
    }
  }
  return { bytes: new Uint8Array(view.buffer), stride: bytes };
}
