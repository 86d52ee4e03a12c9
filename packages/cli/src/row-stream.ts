import { type Output, sayJson, sayLines } from "./terminal.ts";

/**
 * Rows printed as they come: as text with an empty line between, or as the elements of one JSON array. The array begins
 * with the first success, so that stdout stays empty if all rows fail.
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

  /** A failure, printed in its position. */
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
