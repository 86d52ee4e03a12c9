import { Body, type Namer } from "./body.ts";
import { classNameOf, descriptionOf, strideOf, withAlikePools } from "./copies.ts";
import { type Action, callText, Forward } from "./forward.ts";
import { type Arguments, constructorOf, type Field, type Layer } from "./layers.ts";
import { type Call, indented, linesOf } from "./layout.ts";
import type { Scope } from "./scopes.ts";
import { type Parameter, Symbols } from "./symbols.ts";
import { type Copy, copyOf, keyOf, type Unit, unitsOf } from "./units.ts";

/** The classes of a network's blocks. */
export interface Classes {
  /** Each class as lines of Python, in the order in which they need each other. */
  readonly texts: readonly (readonly string[])[];
  readonly network: readonly string[];
}

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
  return { texts: writer.texts, network: writer.network(unitsOf(root, made)) };
}

/** The scopes that become classes, deepest first. */
function levelsOf(root: Scope): readonly (readonly Scope[])[] {
  const levels: (readonly Scope[])[] = [];
  const visit = ({ steps }: Scope, depth: number) => {
    for (const step of steps) {
      if (step.kind !== "scope") continue;
      if (!step.scope.isSequence) levels[depth] = [...(levels[depth] ?? []), step.scope];
      visit(step.scope, depth + 1);
    }
  };
  visit(root, 0);
  return levels.filter((level) => level !== undefined).toReversed();
}

const literal: Namer = {
  channels: ([value]) => String(value),
  number: ([value]) => String(value),
  zeros: ([value]) => String(value),
  condition: () => undefined,
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
    const name = this.#nameOf(first);
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
  network(units: readonly Unit[]): readonly string[] {
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

  #nameOf(copy: Copy): string {
    const base = classNameOf(copy);
    const names = [base, ...Array.from({ length: this.texts.length }, (_, i) => `${base}${i + 2}`)];
    return names.find((name) => !this.#parameters.has(name))!;
  }
}

function sumOf({ inputs }: Unit): Action {
  return { inputs, isHeavy: false, text: (values) => callText("add", {}, values) };
}
