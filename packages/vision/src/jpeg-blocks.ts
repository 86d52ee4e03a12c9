import { FormatError } from "@residual/core";
import type { HuffmanTable, JpegBits } from "./jpeg-bits.ts";

/** A component of a scan, whose blocks are passed, and copied if they are kept. */
export interface ScannedComponent {
  readonly isKept: boolean;
  readonly dc: HuffmanTable | undefined;
  readonly ac: HuffmanTable | undefined;
}

/** Passes the codes of a component's blocks, one block a call. */
export interface BlockCopier {
  copy(): void;
  /** Told of each restart marker. */
  restart(): void;
}

const noRun = () => {};

/** Blocks that one scan holds whole. Source: ITU T.81, F.2.2. */
export function sequentialBlocks(bits: JpegBits, component: ScannedComponent): BlockCopier {
  const { isKept } = component;
  const [dc, ac] = [found(component.dc), found(component.ac)];
  const copy = () => {
    bits.pass(bits.symbol(dc, isKept) & 15, isKept);
    for (let k = 1; k < 64; k++) {
      const symbol = bits.symbol(ac, isKept);
      const [zeros, size] = [symbol >> 4, symbol & 15];
      if (size === 0 && zeros < 15) return; // the rest of the block is zero
      bits.pass(size, isKept);
      k += zeros;
    }
  };
  return { copy, restart: noRun };
}

/** What a scan of a progressive frame adds to each block: coefficients `from` to `to`. */
export interface Spectrum {
  readonly from: number;
  readonly to: number;
  /** Whether it adds a bit to numbers that an earlier scan began. */
  readonly isRefined: boolean;
}

/**
 * Blocks to which scans add. `isNonzero` holds, for each of a component's 64 coefficients block by block, whether a
 * scan gave it a value: codes of later scans depend on it. Source: ITU T.81, G.1.2 and G.2.
 */
export function progressiveBlocks(
  bits: JpegBits,
  component: ScannedComponent,
  { from, to, isRefined }: Spectrum,
  isNonzero: Uint8Array,
): BlockCopier {
  const { isKept } = component;
  if (from === 0 && isRefined) return { copy: () => bits.pass(1, isKept), restart: noRun };
  if (from === 0) {
    const dc = found(component.dc);
    return { copy: () => bits.pass(bits.symbol(dc, isKept) & 15, isKept), restart: noRun };
  }
  const ac = found(component.ac);
  let [block, ended] = [-64, 0]; // blocks to come, this one too, that have no further new coefficients

  /** Passes coefficients from `k` on: a bit for each that has a value, and `zeros` others. Returns where they end. */
  const passZeros = (k: number, zeros: number): number => {
    let [at, left] = [k, zeros];
    for (; at <= to; at++) {
      if (isRefined && isNonzero[block + at]) bits.pass(1, isKept);
      else if (left-- === 0) break;
    }
    return at;
  };

  /** Passes the new coefficients of a block. Returns the first coefficient behind them. */
  const passNew = (): number => {
    let k = from;
    while (k <= to) {
      const symbol = bits.symbol(ac, isKept);
      const [zeros, size] = [symbol >> 4, symbol & 15];
      if (size === 0 && zeros < 15) {
        ended = (1 << zeros) + bits.pass(zeros, isKept);
        return k;
      }
      bits.pass(size, isKept);
      k = passZeros(k, zeros) + 1;
      if (size === 0) continue;
      if (k > to + 1) throw new FormatError("found a coefficient beyond its block; the file is damaged");
      isNonzero[block + k - 1] = 1;
    }
    return k;
  };

  const copy = () => {
    block += 64;
    const k = ended === 0 ? passNew() : from;
    if (ended === 0) return;
    passZeros(k, 64);
    ended--;
  };
  return { copy, restart: () => (ended = 0) };
}

function found(table: HuffmanTable | undefined): HuffmanTable {
  if (table) return table;
  throw new FormatError("found a scan without its Huffman tables; the file is damaged");
}
