import { isStoredDType, type StoredDType } from "../dtypes.ts";
import { quote } from "../json-reader.ts";
import type { Refuse } from "../zip-directory.ts";

/** An array's dtype and shape, and the offset of its numbers. */
export interface NpyHeader {
  readonly dtype: NpyDType;
  readonly shape: readonly number[];
  /** Whether the first axis is contiguous, as in Fortran. */
  readonly isFortran: boolean;
  /** The length of the header, in bytes from the array's start. */
  readonly length: number;
}

/**
 * The dtype of numbers; or `described`, NumPy's name of a type without a counterpart: text, dates, objects, records.
 */
type NpyDType =
  | { readonly stored: StoredDType; readonly isBigEndian: boolean }
  | { readonly stored: undefined; readonly described: string };

/** The longest start of an array, in bytes. NumPy has the same limit. */
export const LONGEST_START = 10_000 + 12;

const MAGIC = "\x93NUMPY";
/** NumPy has the same limit. */
const MOST_AXES = 64;

/**
 * Reads the header of an array as `np.save` writes it, in versions 1 to 3. `start` is the first LONGEST_START bytes of
 * the array, or all bytes if there are fewer. Calls `refuse` if the header is damaged. Source:
 * numpy/lib/_format_impl.py.
 */
export function readNpyHeader(start: Uint8Array, refuse: Refuse): NpyHeader {
  if (latin1(start.subarray(0, MAGIC.length)) !== MAGIC) refuse("it does not begin as an array of NumPy");
  const version = start[MAGIC.length];
  if (version !== 1 && version !== 2 && version !== 3)
    refuse(`its header is of version ${version ?? "nothing"}, expected 1 to 3`);
  const begin = version === 1 ? 10 : 12;
  if (start.length < begin) refuse("its header is cut off");
  const view = new DataView(start.buffer, start.byteOffset, start.length);
  const size = version === 1 ? view.getUint16(8, true) : view.getUint32(8, true);
  if (begin + size > start.length) refuse(`its header claims ${size} bytes, expected at most ${start.length - begin}`);
  const bytes = start.subarray(begin, begin + size);
  return {
    ...new HeaderReader(version === 3 ? utf8(bytes, refuse) : latin1(bytes), refuse).read(),
    length: begin + size,
  };
}

function latin1(bytes: Uint8Array): string {
  return String.fromCharCode(...bytes);
}

function utf8(bytes: Uint8Array, refuse: Refuse): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    return refuse("its header is not UTF-8");
  }
}

/**
 * Reads a dictionary of Python literals with the keys descr, fortran_order and shape. Each key occurs once, in any
 * order.
 */
class HeaderReader {
  readonly #text: string;
  readonly #refuse: Refuse;
  #at = 0;

  constructor(text: string, refuse: Refuse) {
    this.#text = text;
    this.#refuse = refuse;
  }

  read(): Omit<NpyHeader, "length"> {
    let dtype: NpyDType | undefined;
    let shape: readonly number[] | undefined;
    let isFortran: boolean | undefined;
    this.#list("{", "}", () => {
      const key = this.#string();
      this.#expect(":");
      if (key === "descr" && dtype === undefined) dtype = this.#dtype();
      else if (key === "shape" && shape === undefined) shape = this.#shape();
      else if (key === "fortran_order" && isFortran === undefined) isFortran = this.#boolean();
      else this.#refuse(`its header has the key ${quote(key)}, expected descr, fortran_order and shape, each once`);
    });
    if (this.#peek(/\s*$/y) === undefined) this.#fail("the end");
    if (dtype === undefined || shape === undefined || isFortran === undefined)
      return this.#refuse("its header lacks descr, fortran_order or shape");
    return { dtype, shape, isFortran };
  }

  #dtype(): NpyDType {
    if (this.#peek(/\s*(?=\[)/y) === undefined) return dtypeOf(this.#string());
    this.#records();
    return { stored: undefined, described: "records" };
  }

  /** Skips the fields of a record type, which may be nested. */
  #records(): void {
    let depth = 0;
    do {
      const token = this.#take(/\s*(?:[[(]|[\])]|,|-?\d+|"[^"\\]*"|'[^'\\]*')/y, "the fields of records").trim();
      if (token === "[" || token === "(") depth++;
      if (token === "]" || token === ")") depth--;
    } while (depth > 0);
  }

  #shape(): readonly number[] {
    const shape: number[] = [];
    this.#list("(", ")", () => {
      // Python 2 writes 3 as 3L
      const size = Number(this.#take(/\s*(?:0|[1-9]\d{0,15})(?=[L\s,)])/y, "a size"));
      this.#peek(/L/y);
      if (!Number.isSafeInteger(size)) this.#refuse(`its shape has the size ${size}`);
      if (shape.push(size) > MOST_AXES) this.#refuse(`its shape has more than ${MOST_AXES} axes`);
    });
    return shape;
  }

  #boolean(): boolean {
    return this.#take(/\s*(?:True|False)\b/y, "True or False").trim() === "True";
  }

  #string(): string {
    return this.#take(/\s*(?:"[^"\\]*"|'[^'\\]*')/y, "a string")
      .trim()
      .slice(1, -1);
  }

  /** Reads items between two brackets. Commas separate the items; the last item may have one too. */
  #list(open: string, close: string, item: () => void): void {
    this.#expect(open);
    for (let mayEnd = true; !(mayEnd && this.#next(close)); ) {
      if (!mayEnd) {
        this.#expect(close);
        return;
      }
      item();
      mayEnd = this.#next(",");
    }
  }

  #expect(character: string): void {
    if (!this.#next(character)) this.#fail(`"${character}"`);
  }

  #next(character: string): boolean {
    this.#peek(/\s+/y);
    if (this.#text[this.#at] !== character) return false;
    this.#at++;
    return true;
  }

  #take(pattern: RegExp, expected: string): string {
    return this.#peek(pattern) ?? this.#fail(expected);
  }

  /** Consumes and returns the match of a sticky pattern; undefined, and nothing is consumed, without a match. */
  #peek(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.#text)?.[0];
    if (found !== undefined) this.#at += found.length;
    return found;
  }

  #fail(expected: string): never {
    const found = this.#at < this.#text.length ? quote(this.#text.slice(this.#at, this.#at + 20)) : "the end";
    return this.#refuse(`its header: found ${found}, expected ${expected}`);
  }
}

const kinds: Readonly<Record<string, string>> = { f: "F", i: "I", u: "U" };

/** The dtype of NumPy's notation: byte order, a letter, bytes per number. */
function dtypeOf(described: string): NpyDType {
  const [, order, kind, size] = /^([<>|=]?)([fiub])(\d{1,2})$/.exec(described) ?? [];
  const name = kind === "b" && size === "1" ? "BOOL" : `${kinds[kind ?? ""]}${8 * Number(size)}`;
  return isStoredDType(name) ? { stored: name, isBigEndian: order === ">" } : { stored: undefined, described };
}
