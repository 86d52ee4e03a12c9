/** An unpaired surrogate. JSON can contain it but UTF-8 cannot, so that two such names would become equal. */
const loneSurrogate = /\p{Surrogate}/u;

/** Whether the text can be encoded as UTF-8 without loss. */
export function isWellFormed(text: string): boolean {
  return !loneSurrogate.test(text);
}

/**
 * Reads JSON piece by piece, guided by the caller's grammar. In contrast to JSON.parse it refuses duplicate keys
 * (JSON.parse keeps the last), numbers other than plain whole numbers, and nesting that the grammar does not expect.
 * `refuse` throws; its argument says what is wrong.
 */
export class JsonReader {
  readonly #text: string;
  readonly #refuse: (problem: string) => never;
  #at = 0;

  constructor(text: string, refuse: (problem: string) => never) {
    this.#text = text;
    this.#refuse = refuse;
  }

  /** Reads an object. `member` reads the value of each key. */
  object(member: (key: string) => void): void {
    const keys = new Set<string>();
    this.#list("{", "}", () => {
      const key = this.string();
      if (keys.has(key)) this.#refuse(`the key ${quote(key)} comes twice, expected once`);
      keys.add(key);
      this.#expect(":");
      member(key);
    });
  }

  /** Reads an array. `element` reads an element; its argument is the number of elements so far, including this one. */
  array<T>(element: (count: number) => T): T[] {
    const elements: T[] = [];
    this.#list("[", "]", () => elements.push(element(elements.length + 1)));
    return elements;
  }

  /** Returns whether `null` comes next, and consumes it. */
  isNull(): boolean {
    if (!this.#next("n") || !this.#text.startsWith("null", this.#at)) return false;
    this.#at += "null".length;
    return true;
  }

  string(): string {
    if (!this.#next('"')) this.#fail("a string");
    const begin = this.#at;
    const end = this.#endOfString(begin + 1);
    const text = this.#text.slice(begin + 1, end - 1);
    const unescaped = text.includes("\\") ? this.#unescape(text) : text;
    this.#at = end;
    return unescaped;
  }

  /** Reads a whole number from 0 to 2⁵³ − 1, written in digits only. */
  whole(): number {
    this.#skipSpace();
    number.lastIndex = this.#at;
    const digits = number.exec(this.#text)?.[0] ?? "";
    const value = Number(digits);
    if (!/^(0|[1-9]\d*)$/.test(digits) || !Number.isSafeInteger(value)) this.#fail("a whole number from 0 to 2^53 - 1");
    this.#at += digits.length;
    return value;
  }

  /** Refuses anything but white space at the end. */
  end(): void {
    this.#skipSpace();
    if (this.#at < this.#text.length) this.#fail("the end");
  }

  #list(open: string, close: string, item: () => void): void {
    this.#expect(open);
    for (let first = true; !this.#next(close); first = false) {
      if (!first) this.#expect(",");
      item();
    }
    this.#at++;
  }

  #expect(character: string): void {
    if (!this.#next(character)) this.#fail(`"${character}"`);
    this.#at++;
  }

  #next(character: string): boolean {
    this.#skipSpace();
    return this.#text[this.#at] === character;
  }

  #skipSpace(): void {
    while (isSpace(this.#text.charCodeAt(this.#at))) this.#at++;
  }

  // A loop, since a regular expression overflows the stack on a name of many megabytes.
  #endOfString(from: number): number {
    for (let at = from; at < this.#text.length; at++) {
      const code = this.#text.charCodeAt(at);
      if (code === quotationMark) return at + 1;
      if (code === backslash) at++;
      if (code < firstPrintable) this.#fail("a string without control characters");
    }
    return this.#refuse("a string has no end");
  }

  #unescape(text: string): string {
    let unescaped: string;
    try {
      unescaped = JSON.parse(`"${text}"`) as string;
    } catch {
      return this.#fail("a string without unknown escapes");
    }
    if (isWellFormed(unescaped)) return unescaped;
    return this.#refuse(`${quote(unescaped)} holds half a surrogate pair, expected whole characters`);
  }

  #fail(expected: string): never {
    const found = this.#at < this.#text.length ? quote(this.#text.slice(this.#at, this.#at + 20)) : "the end";
    return this.#refuse(`at character ${this.#at}: found ${found}, expected ${expected}`);
  }
}

/** The deepest nesting and the most values of JSON that is parsed: JSON.parse needs memory for each value. */
const most = { depth: 64, values: 200_000 } as const;

/**
 * Parses untrusted JSON. `refuse` throws; its argument says what was found. The limits are checked before JSON.parse
 * runs, because JSON.parse takes about a hundred bytes of memory for each bracket of deeply nested JSON.
 */
export function parseJson(text: string, refuse: (found: string, cause?: unknown) => never): unknown {
  let [depth, values] = [0, 0];
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === quotationMark) at = lastOfString(text, at);
    else if (code === openBracket || code === openBrace) {
      values++;
      if (++depth > most.depth) return refuse(`JSON nested more than ${most.depth} deep`);
    } else if (code === closeBracket || code === closeBrace) depth--;
    else if (code === comma) values++;
    if (values > most.values) return refuse(`JSON of more than ${most.values} values`);
  }
  try {
    return JSON.parse(text);
  } catch (cause) {
    return refuse("text that is not JSON", cause);
  }
}

/** The end of the string that begins at `from`. */
function lastOfString(text: string, from: number): number {
  let at = from + 1;
  for (; at < text.length && text.charCodeAt(at) !== quotationMark; at++) if (text.charCodeAt(at) === backslash) at++;
  return at;
}

/** Quotes untrusted text for an error message: on one line, and shortened. */
export function quote(text: string): string {
  return JSON.stringify(text.length > 100 ? `${text.slice(0, 100)}…` : text);
}

/**
 * Text that could be meant as a number, so that the message shows all of it. Longer numbers are too large in any case.
 */
const number = /[-+.\w]{1,40}/y;

const quotationMark = 0x22;
const backslash = 0x5c;
const [openBracket, closeBracket] = [0x5b, 0x5d];
const [openBrace, closeBrace] = [0x7b, 0x7d];
const comma = 0x2c;
const firstPrintable = 0x20;

function isSpace(code: number): boolean {
  return code === 0x20 || code === 0x0a || code === 0x0d || code === 0x09;
}
