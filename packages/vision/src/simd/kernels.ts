import { kernelsBytes } from "./kernels-bytes.ts";

/** The functions of kernels.wat, which says what they do. All addresses are in bytes of `memory`. */
interface Functions {
  rows(
    source: number,
    sourceStride: number,
    count: number,
    taps: number,
    tapBytes: number,
    width: number,
    target: number,
    targetStride: number,
  ): void;
  columns(
    source: number,
    sourceStride: number,
    taps: number,
    tapBytes: number,
    count: number,
    target: number,
    bytes: number,
  ): void;
  normalize(
    source: number,
    count: number,
    red: number,
    green: number,
    blue: number,
    scale: number,
    redMean: number,
    greenMean: number,
    blueMean: number,
    redStd: number,
    greenStd: number,
    blueStd: number,
  ): void;
}

interface Memory {
  readonly buffer: ArrayBuffer;
  grow(pages: number): number;
}

/** The part of WebAssembly that is used here: the packages are checked without the DOM. */
declare const WebAssembly: {
  readonly Module: new (bytes: Uint8Array<ArrayBuffer>) => object;
  readonly Instance: new (module: object) => { readonly exports: Functions & { readonly memory: Memory } };
};

const PAGE = 65536;

/** The most bytes of memory, which never shrinks. It is kept from picture to picture. */
const MOST_BYTES = 16 << 20;

/** An instance of kernels.wat. */
export class Kernels {
  readonly run: Functions;
  readonly #memory: Memory;
  /** All of the memory. */
  bytes: Uint8Array;
  floats: Float32Array;

  constructor() {
    const program = Uint8Array.from(atob(kernelsBytes), (char) => char.charCodeAt(0));
    const { exports } = new WebAssembly.Instance(new WebAssembly.Module(program));
    this.run = exports;
    this.#memory = exports.memory;
    this.bytes = new Uint8Array(exports.memory.buffer);
    this.floats = new Float32Array(exports.memory.buffer);
  }

  /** Whether the memory has room for so many bytes, after it has grown if need be. */
  reserve(bytes: number): boolean {
    if (bytes <= this.bytes.length) return true;
    if (!(bytes <= MOST_BYTES)) return false;
    try {
      this.#memory.grow(Math.ceil((bytes - this.bytes.length) / PAGE));
    } catch {
      return false;
    }
    this.bytes = new Uint8Array(this.#memory.buffer);
    this.floats = new Float32Array(this.#memory.buffer);
    return true;
  }
}

let loaded: Kernels | null | undefined;

/**
 * The kernels of this thread; undefined where WebAssembly is missing, has no SIMD, or may not be compiled, as on a page
 * whose Content-Security-Policy forbids it.
 */
export function kernels(): Kernels | undefined {
  if (loaded === undefined) {
    try {
      loaded = new Kernels(); // compiled at once, as every browser allows for less than 4 kB
    } catch {
      loaded = null;
    }
  }
  return loaded ?? undefined;
}
