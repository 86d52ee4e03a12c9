/** Numbers in the binary format. Source: WebAssembly Core Specification 2.0, section 5.2. */

/** Unsigned LEB128. Throws RangeError unless the number is an integer from 0 to below 2³². */
export function unsigned(value: number): number[] {
  checkWhole(value, 0);
  const bytes: number[] = [];
  let rest = value >>> 0;
  while (rest > 0x7f) {
    bytes.push((rest & 0x7f) | 0x80);
    rest >>>= 7;
  }
  bytes.push(rest);
  return bytes;
}

/**
 * Signed LEB128 of an i32; a number of at least 2³¹ stands for the i32 with the same bits. Throws RangeError unless the
 * number is an integer from −2³¹ to below 2³².
 */
export function signed(value: number): number[] {
  checkWhole(value, -(2 ** 31));
  const bytes: number[] = [];
  let rest = value | 0;
  for (;;) {
    const byte = rest & 0x7f;
    rest >>= 7;
    const isLast = (rest === 0 && (byte & 0x40) === 0) || (rest === -1 && (byte & 0x40) !== 0);
    bytes.push(isLast ? byte : byte | 0x80);
    if (isLast) return bytes;
  }
}

function checkWhole(value: number, least: number): void {
  const fits = Number.isInteger(value) && value >= least && value < 2 ** 32;
  if (!fits) throw new RangeError(`expected a whole number from ${least} to below 4294967296, found ${value}`);
}

declare const TextEncoder: new () => { encode(text: string): Uint8Array };

export function utf8(text: string): number[] {
  return [...new TextEncoder().encode(text)];
}

/** A name in UTF-8, after its length. */
export function name(text: string): number[] {
  const bytes = utf8(text);
  return [...unsigned(bytes.length), ...bytes];
}

/** A byte array that grows at its end. */
export class Writer {
  #bytes = new Uint8Array(1024);
  #length = 0;

  get length(): number {
    return this.#length;
  }

  put(bytes: ArrayLike<number>): void {
    const end = this.#length + bytes.length;
    if (end > this.#bytes.length) {
      const larger = new Uint8Array(Math.max(end, 2 * this.#bytes.length));
      larger.set(this.#bytes);
      this.#bytes = larger;
    }
    this.#bytes.set(bytes, this.#length);
    this.#length = end;
  }

  /** A copy of the bytes. */
  bytes(): Uint8Array<ArrayBuffer> {
    return this.#bytes.slice(0, this.#length);
  }
}

export function vector(items: readonly (readonly number[])[]): number[] {
  return [...unsigned(items.length), ...items.flat()];
}

export function section(id: number, body: readonly number[]): number[] {
  return [id, ...unsigned(body.length), ...body];
}

/** Little-endian bytes of a float32. */
export function float32(value: number): number[] {
  return [...new Uint8Array(Float32Array.of(value).buffer)];
}

/** Little-endian bytes of a float64. */
export function float64(value: number): number[] {
  return [...new Uint8Array(Float64Array.of(value).buffer)];
}
