import { type Output, sayJson, sayLines } from "./terminal.ts";

/**
 * Rows that are said as they come: for people with an empty line between, else as the elements of one JSON array. Rows
 * of failures do not begin it, so that nothing is on stdout where there was no success at all.
 */
export class RowStream<Row> {
  readonly #output: Output;
  readonly #words: (row: Row) => readonly string[];
  #held: Row[] = [];
  #isOpen = false;

  constructor(output: Output, words: (row: Row) => readonly string[]) {
    this.#output = output;
    this.#words = words;
  }

  /** A success. */
  add(row: Row): void {
    for (const each of [...this.#held, row]) this.#say(each);
    this.#held = [];
  }

  /** A failure, which is said in its place. */
  hold(row: Row): void {
    if (this.#isOpen) this.#say(row);
    else this.#held.push(row);
  }

  end(): void {
    if (this.#isOpen && this.#output.json) process.stdout.write("\n]\n");
  }

  #say(row: Row): void {
    const first = !this.#isOpen;
    if (this.#output.json) {
      process.stdout.write(first ? "[\n" : ",\n");
      sayJson(JSON.stringify(row, undefined, 2).replaceAll(/^/gm, "  "), "");
      this.#isOpen = true;
      return;
    }
    const lines = this.#words(row);
    if (lines.length === 0) return;
    sayLines(first ? lines : ["", ...lines]);
    this.#isOpen = true;
  }
}
