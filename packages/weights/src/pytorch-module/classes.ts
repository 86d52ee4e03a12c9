import { type Action, type Branch, type Case, callField, callText, Forward } from "./forward.ts";
import { type Arguments, constructorOf, type Field, identity, isHeavy, type Layer } from "./layers.ts";
import { type Call, flatOf, indented, linesOf, type Text } from "./layout.ts";
import type { Ref, Scope } from "./scopes.ts";
import { type Parameter, Symbols, type Values } from "./symbols.ts";
import { type CallUnit, type Copy, copyOf, keyOf, type Unit, unitsOf } from "./units.ts";

/** The classes of a network's blocks. */
export interface Classes {
  /** Each class as lines of Python, in the order in which they need each other. */
  readonly texts: readonly (readonly string[])[];
  readonly network: readonly string[];
}

/** How deep the statements of a constructor are indented. */
const DEPTH = 2;

/**
 * A class for each kind of block, and one for the network. Blocks are of a kind if they differ in numbers alone, or in
 * what their shortcut does where the shape changes.
 */
export function classesOf(root: Scope): Classes {
  const made = new Map<Scope, Layer>();
  const writer = new ClassWriter();
  for (const scopes of levelsOf(root)) {
    const kinds = new Map<string, { readonly scopes: Scope[]; readonly copies: Copy[] }>();
    for (const scope of scopes) {
      const copy = copyOf(scope, unitsOf(scope, made));
      const key = keyOf(copy.main);
      const kind = kinds.get(key) ?? { scopes: [], copies: [] };
      kinds.set(key, kind);
      kind.scopes.push(scope);
      kind.copies.push(copy);
    }
    for (const { scopes: alike, copies } of kinds.values())
      for (const [at, layer] of writer.write(copies).entries()) made.set(alike[at]!, layer);
  }
  return { texts: writer.texts, network: writer.network(root, unitsOf(root, made)) };
}

/** The scopes that become classes, deepest first. */
function levelsOf(root: Scope): readonly (readonly Scope[])[] {
  const levels: Scope[][] = [];
  const visit = ({ steps }: Scope, depth: number) => {
    for (const step of steps) {
      if (step.kind !== "scope") continue;
      if (!step.scope.isSequence) (levels[depth] ??= []).push(step.scope);
      visit(step.scope, depth + 1);
    }
  };
  visit(root, 0);
  return levels.filter((level) => level !== undefined).toReversed();
}

/** What a number of a layer becomes: an expression for all copies, or its only value. */
interface Namer {
  readonly channels: (values: Values, label: string) => string;
  readonly number: (values: Values, label: string) => string;
  readonly zeros: (values: Values, label: string) => string;
}

const literal: Namer = {
  channels: ([value]) => String(value),
  number: ([value]) => String(value),
  zeros: ([value]) => String(value),
};

class ClassWriter {
  readonly texts: (readonly string[])[] = [];
  readonly #parameters = new Map<string, readonly Parameter[]>();

  /** Writes the class of some blocks. Returns each block's call of its constructor. */
  write(given: readonly Copy[]): readonly Layer[] {
    const copies = withAlikePools(given);
    const symbols = new Symbols(copies.map((copy) => ({ ...copy, stride: strideOf(copy) })));
    const [first] = copies as readonly [Copy];
    const body = new Body(symbols, symbols.inputs, (type, fields) => this.#call(type, fields));
    const actions = first.main.map((unit, index): Action => {
      const units = copies.map(({ main }) => main[index]!);
      if (index !== first.sum) return body.add(units);
      return { ...sumOf(unit), before: body.addShortcut(copies) };
    });
    const { lines } = new Forward(actions);
    const name = this.#nameOf(first, actions);
    const { parameters, locals } = symbols;
    const signature = parameters.map((each) => `${each.name}${each.default === undefined ? "" : `=${each.default}`}`);
    this.#parameters.set(name, parameters);
    this.texts.push([
      `class ${name}(nn.Module):`,
      ...indented([
        `"""${descriptionOf(first)}"""`,
        "",
        ...linesOf("def __init__", { head: "", items: ["self", ...signature] }, ":", 1),
        ...indented(["super().__init__()", ...locals.map((local) => `${local.name} = ${local.text}`), ...body.lines]),
        "",
        "def forward(self, x):",
        ...indented(lines),
      ]),
    ]);
    return copies.map((_, copy) => ({
      type: name,
      fields: Object.fromEntries(parameters.map(({ name: field, values }): [string, Field] => [field, values[copy]!])),
    }));
  }

  /** The class of the network, with literal numbers; the outputs of a last linear layer are an argument. */
  network(root: Scope, units: readonly Unit[]): readonly string[] {
    const last = units.at(-1);
    const layer = last?.kind === "module" && last.layer.type === "nn.Linear" ? last.layer : undefined;
    const classes = layer?.fields.outputs as number | undefined;
    const body = new Body(literal, undefined, (type, fields) => this.#call(type, fields));
    const actions = units.map((unit) => {
      if (unit !== last || !layer) return body.add([unit]);
      return body.add([{ ...last, layer: { ...layer, fields: { ...layer.fields, outputs: "classes" } } } as Unit]);
    });
    return [
      "class Net(nn.Module):",
      ...indented([
        `def __init__(self${classes === undefined ? "" : `, classes=${classes}`}):`,
        ...indented(["super().__init__()", ...body.lines]),
        "",
        "def forward(self, x):",
        ...indented(new Forward(actions).lines),
      ]),
    ];
  }

  /** A constructor's call. A class of the file gets arguments with a default by name, if they have another value. */
  #call(type: string, fields: Arguments): Call {
    const known = constructorOf(type, fields);
    if (known) return known;
    const items = this.#parameters.get(type)!.flatMap(({ name, default: usual }) => {
      const value = fields[name]!;
      if (usual === undefined) return [value];
      return value === String(usual) ? [] : [`${name}=${value}`];
    });
    return { head: type, items };
  }

  #nameOf(copy: Copy, actions: readonly Action[]): string {
    const base = classNameOf(copy, actions);
    const names = [base, ...Array.from({ length: this.texts.length }, (_, i) => `${base}${i + 2}`)];
    return names.find((name) => !this.#parameters.has(name))!;
  }
}

/** The body of a constructor, and the parts of `forward` that go with it. */
class Body {
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
    const { constructor, action, channels } = this.#write(units, this.#channels.get(first.inputs[0]!), DEPTH);
    this.#channels.set(this.#index++, channels);
    this.lines.push(...constructor);
    return action;
  }

  /** Adds the shortcuts of all copies: a case for each kind. */
  addShortcut(copies: readonly Copy[]): Branch {
    this.#channels.set(this.#index, this.#channels.get(copies[0]!.main[this.#index]!.inputs[0]!));
    this.#index++;
    const kinds = new Map<string, number[]>();
    for (const [at, { shortcut }] of copies.entries()) {
      const key = shortcut.units.length === 0 ? "" : keyOf(shortcut.units);
      kinds.set(key, [...(kinds.get(key) ?? []), at]);
    }
    const plain = kinds.get("")?.[0];
    const open = new Set(copies.keys());
    const changing = [...kinds].filter(([key]) => key !== "").map(([, members]) => members);
    // a shortcut with modules first: whether it is there tells its copies
    const cases = changing.toSorted((a, b) => Number(hasModules(copies[b[0]!]!)) - Number(hasModules(copies[a[0]!]!)));
    return {
      cases: cases.map((members): Case => {
        const wanted = copies.map((_, at) => (open.has(at) ? members.includes(at) : undefined));
        for (const at of members) open.delete(at);
        return this.#case(copies, members, wanted);
      }),
      otherwise: plain === undefined ? undefined : copies[plain]!.shortcut.from,
    };
  }

  #case(copies: readonly Copy[], members: readonly number[], wanted: readonly (boolean | undefined)[]): Case {
    const { units, from } = copies[members[0]!]!.shortcut;
    const label = units[0]!.name;
    const modules = units.filter(({ kind }) => kind !== "call").map(({ name }) => name);
    const test = (this.#namer as Symbols).condition(wanted, label);
    const isOptional = test !== undefined && modules.length > 0;
    const constructors: string[] = [];
    const texts: ((input: string) => string)[] = [];
    let channels = this.#channels.get(from);
    for (const at of units.keys()) {
      const written = this.#write(
        copies.map(({ shortcut }, copy) => (members.includes(copy) ? shortcut.units[at] : undefined)),
        channels,
        isOptional ? DEPTH + 1 : DEPTH,
      );
      constructors.push(...written.constructor);
      texts.push((input) => written.action.text([input]));
      channels = written.channels;
    }
    if (test === undefined) {
      this.lines.push(...constructors);
      return { condition: undefined, isModule: false, from, texts };
    }
    if (isOptional) {
      this.lines.push(...modules.map((name) => `self.${name} = None`), `if ${test}:`, ...indented(constructors));
      return { condition: `self.${modules[0]}`, isModule: true, from, texts };
    }
    const flag = this.#free(`${label}s`);
    this.lines.push(`self.${flag} = ${test}`, ...constructors);
    return { condition: `self.${flag}`, isModule: false, from, texts };
  }

  #write(
    units: readonly (Unit | undefined)[],
    input: string | undefined,
    depth: number,
  ): { readonly constructor: readonly string[]; readonly action: Action; readonly channels: string | undefined } {
    const first = units.find((unit) => unit !== undefined)!;
    const { name, inputs } = first;
    if (first.kind === "call") {
      const { numbers, constructor } = this.#numbersOf(units as readonly (CallUnit | undefined)[]);
      const action = { inputs, isHeavy: false, text: (values: readonly string[]) => callText(first.op, numbers, values) };
      return { constructor, action, channels: input };
    }
    const action = { inputs, text: ([value]: readonly string[]) => `self.${name}(${value})` };
    if (first.kind === "module") {
      const layers = units.map((unit) => (unit?.kind === "module" ? unit.layer : undefined));
      const { call, channels } = this.#layer(layers, input, name);
      const constructor = this.#isNew(name) ? linesOf(`self.${name} = `, call, "", depth) : [];
      const isActive = first.layer.type === "nn.ReLU";
      return {
        constructor,
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
    const constructor = linesOf(`self.${name} = `, { head: "nn.Sequential", items: inRuns(items) }, "", depth);
    return { constructor, action: { ...action, isHeavy: true }, channels };
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
    readonly constructor: readonly string[];
  } {
    const { name, op, attributes } = units.find((unit) => unit !== undefined)!;
    const numbers: Record<string, string> = {};
    const constructor: string[] = [];
    for (const field of Object.keys(attributes)) {
      const values = units.map((unit) => unit && callField(unit.attributes[field] as number | readonly number[]));
      const label = `${name}_${field}`;
      const text = op === "padChannels" ? this.#namer.zeros(values, label) : this.#namer.number(values, label);
      if (/^\d+$/.test(text)) numbers[field] = text;
      else {
        const attribute = this.#free(field);
        constructor.push(`self.${attribute} = ${text}`);
        numbers[field] = `self.${attribute}`;
      }
    }
    return { numbers, constructor };
  }

  #isNew(name: string): boolean {
    const isNew = !this.#assigned.has(name);
    this.#assigned.add(name);
    return isNew;
  }

  #free(name: string): string {
    const free = this.#assigned.has(name) ? `${name}_of_shortcut` : name;
    this.#assigned.add(free);
    return free;
  }
}

function sumOf({ inputs }: Unit): Action {
  return { inputs, isHeavy: false, text: (values) => callText("add", {}, values) };
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

/** The largest stride of a block's layers. */
function strideOf({ main, shortcut }: Copy): number {
  const strides = [...main, ...shortcut.units].flatMap((unit) => {
    if (unit.kind === "call") return typeof unit.attributes.stride === "object" ? unit.attributes.stride : [];
    const layers = unit.kind === "module" ? [unit.layer] : unit.items;
    return layers.flatMap(({ fields }) => (typeof fields.stride === "number" ? [fields.stride] : []));
  });
  return Math.max(1, ...strides);
}

/**
 * Copies whose shortcuts pool where others do nothing: a pool with a window of one pixel does nothing, too, and then
 * all of them are of one kind.
 */
function withAlikePools(copies: readonly Copy[]): readonly Copy[] {
  const poolAt = (at: number, item: number) =>
    copies.flatMap(({ shortcut: { units } }) => {
      const unit = units[at];
      const layer = unit?.kind === "sequence" ? unit.items[item] : undefined;
      return layer?.type === "nn.AvgPool2d" ? [layer] : [];
    })[0];
  return copies.map((copy) => ({
    ...copy,
    shortcut: {
      ...copy.shortcut,
      units: copy.shortcut.units.map((unit, at): Unit => {
        if (unit.kind !== "sequence") return unit;
        const items = unit.items.map((item, index) => {
          const pool = item === identity ? poolAt(at, index) : undefined;
          return pool ? { ...pool, fields: { ...pool.fields, kernel: 1, stride: 1 } } : item;
        });
        return { ...unit, items };
      }),
    },
  }));
}

function convolutionsOf({ main }: Copy): readonly Layer[] {
  const layers = main.flatMap((unit) => (unit.kind === "module" ? [unit.layer] : []));
  return layers.filter(({ type }) => type.includes("Conv2d"));
}

/** The usual name of a block in papers and libraries. */
function classNameOf(copy: Copy, actions: readonly Action[]): string {
  const { main, sum, path } = copy;
  const [first] = main;
  if (sum === undefined) {
    const isGate = main.some((unit) => unit.kind === "call" && unit.op === "multiply") && actions.length > 1;
    const words = path.split(".").at(-1)!.split("_");
    return isGate ? "SqueezeExcite" : words.map((word) => word.charAt(0).toUpperCase() + word.slice(1)).join("");
  }
  const kind = ["", "", "BasicBlock", "Bottleneck"][convolutionsOf(copy).length] || "Block";
  const isPre = first?.kind === "module" && first.layer.type === "nn.BatchNorm2d";
  const isGated = main.some((unit) => unit.kind === "module" && unit.layer.type === "SqueezeExcite");
  return `${isPre ? "PreAct" : ""}${isGated ? "SE" : ""}${kind}`;
}

function descriptionOf(copy: Copy): string {
  const { main, sum } = copy;
  const kernels = convolutionsOf(copy).map(({ fields: { kernel } }) => `${kernel} x ${kernel}`);
  const list = kernels.length < 2 ? kernels.join() : `${kernels.slice(0, -1).join(", ")} and ${kernels.at(-1)}`;
  if (sum === undefined)
    return main.some((unit) => unit.kind === "call" && unit.op === "multiply")
      ? "Multiplies each channel by a gate, which is computed from the means of all."
      : `Convolutions of ${list}.`;
  const first = main[0];
  const isPre = first?.kind === "module" && first.layer.type === "nn.BatchNorm2d";
  return `Convolutions of ${list}, ${isPre ? "each after norm and ReLU, " : ""}beside a shortcut.`;
}
