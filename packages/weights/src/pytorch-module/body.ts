import { UnsupportedError } from "@residual/core";
import { type Action, type Branch, type Case, callField, callText } from "./forward.ts";
import { type Arguments, isHeavy, type Layer } from "./layers.ts";
import { type Call, flatOf, indented, linesOf, type Text } from "./layout.ts";
import type { Ref } from "./scopes.ts";
import type { Values } from "./symbols.ts";
import { type CallUnit, type Copy, keyOf, type Unit } from "./units.ts";

/** How deep the statements of a constructor are indented. */
const DEPTH = 2;

/** What a number of a layer becomes: an expression for all copies, or its only value. */
export interface Namer {
  readonly channels: (values: Values, label: string) => string;
  readonly number: (values: Values, label: string) => string;
  readonly zeros: (values: Values, label: string) => string;
  /** A condition for some of the copies; undefined if it holds in all in question. */
  readonly condition: (wanted: readonly (boolean | undefined)[], label: string) => string | undefined;
}

/** The body of a constructor, and the parts of `forward` that go with it. */
export class Body {
  readonly lines: string[] = [];
  readonly #namer: Namer;
  readonly #call: (type: string, fields: Arguments) => Call;
  /** Expressions for the channels of each value; undefined in a class of literal numbers. */
  readonly #channels: Map<Ref, string | undefined>;
  readonly #assigned = new Set<string>();
  #index = 0;

  constructor(namer: Namer, inputs: string | undefined, call: (type: string, fields: Arguments) => Call) {
    this.#namer = namer;
    this.#call = call;
    this.#channels = new Map([["x", inputs]]);
  }

  /** Adds a part, given as in each copy. */
  add(units: readonly Unit[]): Action {
    const [first] = units as readonly [Unit];
    const { statements, action, channels } = this.#write(units, this.#channels.get(first.inputs[0]!), DEPTH);
    this.#channels.set(this.#index++, channels);
    this.lines.push(...statements);
    return action;
  }

  /** Adds the shortcuts of all copies: a case for each kind. */
  addShortcut(copies: readonly Copy[]): Branch {
    this.#channels.set(this.#index, this.#channels.get(copies[0]!.main[this.#index]!.inputs[0]!));
    this.#index++;
    const kinds = new Map<string, number[]>();
    for (const [at, { shortcut }] of copies.entries()) {
      const key = `${shortcut.from} ${keyOf(shortcut.units)}`;
      kinds.set(key, [...(kinds.get(key) ?? []), at]);
    }
    const isPlain = ([at]: readonly number[]) => copies[at!]!.shortcut.units.length === 0;
    const plain = [...kinds.values()].filter(isPlain);
    const names = [...kinds.values()].flatMap(([at]) => copies[at!]!.shortcut.units.flatMap(nameOfModule));
    const twice = names.find((name, at) => names.indexOf(name) !== at);
    if (twice !== undefined || plain.length > 1)
      throw new UnsupportedError(
        `${copies[0]!.path}: its shortcut ${twice ?? ""} is of several kinds in blocks alike; export .onnx instead`,
      );
    const open = new Set(copies.keys());
    const changing = [...kinds.values()].filter((members) => !isPlain(members));
    // a shortcut with modules first: whether it is there tells its copies
    const cases = changing.toSorted((a, b) => Number(hasModules(copies[b[0]!]!)) - Number(hasModules(copies[a[0]!]!)));
    return {
      cases: cases.map((members): Case => {
        const wanted = copies.map((_, at) => (open.has(at) ? members.includes(at) : undefined));
        for (const at of members) open.delete(at);
        return this.#case(copies, members, wanted);
      }),
      otherwise: plain[0] && copies[plain[0][0]!]!.shortcut.from,
    };
  }

  #case(copies: readonly Copy[], members: readonly number[], wanted: readonly (boolean | undefined)[]): Case {
    const { units, from } = copies[members[0]!]!.shortcut;
    const label = units[0]!.name;
    const modules = units.flatMap(nameOfModule);
    const test = this.#namer.condition(wanted, label);
    const isOptional = test !== undefined && modules.length > 0;
    const statements: string[] = [];
    const texts: ((input: string) => string)[] = [];
    let channels = this.#channels.get(from);
    for (const at of units.keys()) {
      const written = this.#write(
        copies.map(({ shortcut }, copy) => (members.includes(copy) ? shortcut.units[at] : undefined)),
        channels,
        isOptional ? DEPTH + 1 : DEPTH,
      );
      statements.push(...written.statements);
      texts.push((input) => written.action.text([input]));
      channels = written.channels;
    }
    if (test === undefined) {
      this.lines.push(...statements);
      return { condition: undefined, isModule: false, from, texts };
    }
    if (isOptional) {
      this.lines.push(...modules.map((name) => `self.${name} = None`), `if ${test}:`, ...indented(statements));
      return { condition: `self.${modules[0]}`, isModule: true, from, texts };
    }
    const flag = this.#free(`${label}s`);
    this.lines.push(`self.${flag} = ${test}`, ...statements);
    return { condition: `self.${flag}`, isModule: false, from, texts };
  }

  #write(
    units: readonly (Unit | undefined)[],
    input: string | undefined,
    depth: number,
  ): { readonly statements: readonly string[]; readonly action: Action; readonly channels: string | undefined } {
    const first = units.find((unit) => unit !== undefined)!;
    const { name, inputs } = first;
    if (first.kind === "call") {
      const { numbers, statements } = this.#numbersOf(units as readonly (CallUnit | undefined)[]);
      const action = {
        inputs,
        isHeavy: false,
        text: (values: readonly string[]) => callText(first.op, numbers, values),
      };
      return { statements, action, channels: input };
    }
    const action = { inputs, text: ([value]: readonly string[]) => `self.${name}(${value})` };
    if (first.kind === "module") {
      const layers = units.map((unit) => (unit?.kind === "module" ? unit.layer : undefined));
      const { call, channels } = this.#layer(layers, input, name);
      const statements = this.#isNew(name) ? linesOf(`self.${name} = `, call, "", depth) : [];
      const isActive = first.layer.type === "nn.ReLU";
      return {
        statements,
        action: { ...action, isHeavy: isHeavy(first.layer.type), name: isActive ? "active" : undefined },
        channels,
      };
    }
    const items: Call[] = [];
    let channels = input;
    for (const at of first.items.keys()) {
      const layers = units.map((unit) => (unit?.kind === "sequence" ? unit.items[at] : undefined));
      const item = this.#layer(layers, channels, `${name}${at}`);
      items.push(item.call);
      channels = item.channels;
    }
    this.#isNew(name);
    const statements = linesOf(`self.${name} = `, { head: "nn.Sequential", items: inRuns(items) }, "", depth);
    return { statements, action: { ...action, isHeavy: true }, channels };
  }

  /** The call of a module's constructor, given the module in each copy, and the channels that it gives. */
  #layer(
    layers: readonly (Layer | undefined)[],
    input: string | undefined,
    label: string,
  ): { readonly call: Call; readonly channels: string | undefined } {
    const { type, fields } = layers.find((layer) => layer !== undefined)!;
    const named: Record<string, string> = {};
    for (const [field, value] of Object.entries(fields)) {
      const values = layers.map((layer) => layer?.fields[field] as number | undefined);
      if (typeof value === "boolean") named[field] = value ? "True" : "False";
      else if (typeof value === "string") named[field] = value;
      else if (field === "inputs" || field === "channels") named[field] = input ?? String(value);
      else if (field === "outputs") named[field] = this.#namer.channels(values, `${label}_${field}`);
      else named[field] = this.#namer.number(values, `${label}_${field}`);
    }
    return { call: this.#call(type, named), channels: input === undefined ? undefined : (named.outputs ?? input) };
  }

  /** The attributes of an expression in Python. Those that are not literal become attributes of the module. */
  #numbersOf(units: readonly (CallUnit | undefined)[]): {
    readonly numbers: Readonly<Record<string, string>>;
    readonly statements: readonly string[];
  } {
    const { name, op, attributes } = units.find((unit) => unit !== undefined)!;
    const numbers: Record<string, string> = {};
    const statements: string[] = [];
    for (const field of Object.keys(attributes)) {
      const values = units.map((unit) => unit && callField(unit.attributes[field] as number | readonly number[]));
      const label = `${name}_${field}`;
      const text = op === "padChannels" ? this.#namer.zeros(values, label) : this.#namer.number(values, label);
      if (/^\d+$/.test(text)) numbers[field] = text;
      else {
        const attribute = this.#free(field);
        statements.push(`self.${attribute} = ${text}`);
        numbers[field] = `self.${attribute}`;
      }
    }
    return { numbers, statements };
  }

  #isNew(name: string): boolean {
    const isNew = !this.#assigned.has(name);
    this.#assigned.add(name);
    return isNew;
  }

  #free(name: string): string {
    const free = this.#assigned.has(name) ? `${name}2` : name;
    this.#assigned.add(free);
    return free;
  }
}

function nameOfModule({ kind, name }: Unit): readonly string[] {
  return kind === "call" ? [] : [name];
}

function hasModules({ shortcut }: Copy): boolean {
  return shortcut.units.some(({ kind }) => kind !== "call");
}

/** Modules of a sequence, with runs of three and more as a comprehension. */
function inRuns(items: readonly Call[]): readonly Text[] {
  const runs: { readonly item: Call; readonly flat: string; count: number }[] = [];
  for (const item of items) {
    const flat = flatOf(item);
    const last = runs.at(-1);
    if (last?.flat === flat) last.count++;
    else runs.push({ item, flat, count: 1 });
  }
  return runs.flatMap(({ item, flat, count }) =>
    count < 3 ? Array.from<Text>({ length: count }).fill(item) : [`*(${flat} for _ in range(${count}))`],
  );
}
