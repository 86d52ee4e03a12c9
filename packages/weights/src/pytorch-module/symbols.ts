/** A number of each copy of a class; undefined for copies that do not have it. */
export type Values = readonly (number | undefined)[];

/** An argument of a class's constructor, with its value in each copy. */
export interface Parameter {
  readonly name: string;
  readonly values: readonly (number | boolean)[];
  readonly default?: number;
}

interface Condition {
  readonly text: string;
  readonly holds: readonly boolean[];
}

/**
 * Names for the numbers of a class. Each number of its modules becomes an expression that is right in every copy:
 * `inputs`, `outputs // 4`, `3 if stride != 1 else 1`. A number for which there is none becomes an argument.
 */
export class Symbols {
  readonly #inputs: readonly number[];
  readonly #outputs: readonly number[];
  readonly #strides: readonly number[];
  readonly #conditions: readonly Condition[];
  readonly #added: Parameter[] = [];
  readonly #widths: { readonly name: string; readonly values: readonly number[] }[] = [];
  /** Names that the constructor works out from its arguments. */
  readonly locals: { readonly name: string; readonly text: string }[] = [];

  constructor(copies: readonly { readonly inputs: number; readonly outputs: number; readonly stride: number }[]) {
    this.#inputs = copies.map(({ inputs }) => inputs);
    this.#outputs = copies.map(({ outputs }) => outputs);
    this.#strides = copies.map(({ stride }) => stride);
    this.#conditions = conditionsFor(this.#inputs, this.#outputs, this.#strides);
  }

  get #keepsChannels(): boolean {
    return this.#inputs.every((count, copy) => count === this.#outputs[copy]);
  }

  get inputs(): string {
    return this.#keepsChannels ? "channels" : "inputs";
  }

  get outputs(): string {
    return this.#keepsChannels ? "channels" : "outputs";
  }

  /** The arguments of the constructor, in order. */
  get parameters(): readonly Parameter[] {
    const channels = this.#keepsChannels
      ? [{ name: "channels", values: this.#inputs }]
      : [
          { name: "inputs", values: this.#inputs },
          { name: "outputs", values: this.#outputs },
        ];
    const strides = varies(this.#strides) ? [{ name: "stride", values: this.#strides, default: 1 }] : [];
    return [...channels, ...this.#added, ...strides];
  }

  /** The channels that a layer gives. */
  channels(values: Values, label: string): string {
    if (agree(values, this.#outputs)) return this.outputs;
    const known = this.#widths.find((width) => agree(values, width.values));
    if (known) return known.name;
    const all = values.filter((value) => value !== undefined);
    if (all.length < values.length) return this.number(values, label);
    const name = `width${this.#widths.length === 0 ? "" : this.#widths.length + 1}`;
    const text = this.#shareOfOutputs(all);
    if (text === undefined) this.#added.push({ name, values: all });
    else this.locals.push({ name, text });
    this.#widths.push({ name, values: all });
    return name;
  }

  /** A fixed share or multiple of the outputs. */
  #shareOfOutputs(values: readonly number[]): string | undefined {
    const share = this.#outputs[0]! / values[0]!;
    if (values.some((value, copy) => this.#outputs[copy]! / value !== share)) return undefined;
    if (Number.isInteger(share)) return `${this.outputs} // ${share}`;
    return Number.isInteger(1 / share) ? `${1 / share} * ${this.outputs}` : undefined;
  }

  /** Channels of zeros that a shortcut adds. */
  zeros(values: Values, label: string): string {
    const added = this.#outputs.map((count, copy) => count - this.#inputs[copy]!);
    if (values.every((value) => value === undefined || value === 0)) return "0";
    if (agree(values, added)) return `${this.outputs} - ${this.inputs}`;
    if (
      agree(
        values,
        added.map((count) => count / 2),
      )
    )
      return `(${this.outputs} - ${this.inputs}) // 2`;
    return this.number(values, label);
  }

  /** Any other number: a stride, a size. */
  number(values: Values, label: string): string {
    const first = values.find((value) => value !== undefined)!;
    if (
      values.some((value) => value !== undefined && value !== 1) &&
      varies(this.#strides) &&
      agree(values, this.#strides)
    )
      return "stride";
    if (values.every((value) => value === undefined || value === first)) return String(first);
    for (const { text, holds } of this.#conditions) {
      const yes = values.find((value, copy) => value !== undefined && holds[copy]);
      const no = values.find((value, copy) => value !== undefined && !holds[copy]);
      const isRight = values.every((value, copy) => value === undefined || value === (holds[copy] ? yes : no));
      if (isRight) return `${yes} if ${text} else ${no}`;
    }
    this.#added.push({ name: label, values: values.map((value) => value ?? first) });
    return label;
  }

  /** A condition that holds in just these copies, of those in question; undefined if it holds in all. */
  condition(wanted: readonly (boolean | undefined)[], label: string): string | undefined {
    if (wanted.every((value) => value !== false)) return undefined;
    const fits = ({ holds }: Condition) => wanted.every((value, copy) => value === undefined || value === holds[copy]);
    const [stepping, widening, either, both] = this.#conditions;
    const usual = wanted.includes(undefined) ? [stepping, widening, either, both] : [either, widening, stepping, both];
    const known = usual.find((each) => each && fits(each));
    if (known) return known.text;
    this.#added.push({ name: label, values: wanted.map((value) => value ?? false) });
    return label;
  }
}

function conditionsFor(
  inputs: readonly number[],
  outputs: readonly number[],
  strides: readonly number[],
): readonly Condition[] {
  const widens = inputs.map((count, copy) => count !== outputs[copy]);
  const steps = strides.map((stride) => stride !== 1);
  const widening = { text: "inputs != outputs", holds: widens };
  if (!varies(strides)) return widens.includes(true) ? [widening] : [];
  const stepping = { text: "stride != 1", holds: steps };
  if (!widens.includes(true)) return [stepping];
  return [
    stepping,
    widening,
    { text: "stride != 1 or inputs != outputs", holds: steps.map((step, copy) => step || widens[copy]!) },
    { text: "stride != 1 and inputs == outputs", holds: steps.map((step, copy) => step && !widens[copy]!) },
  ];
}

function varies(values: readonly number[]): boolean {
  return values.some((value) => value !== values[0]);
}

function agree(values: Values, known: readonly number[]): boolean {
  return values.every((value, copy) => value === undefined || value === known[copy]);
}
