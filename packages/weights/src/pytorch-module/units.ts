import { type Attributes, UnsupportedError } from "@residual/core";
import type { Layer } from "./layers.ts";
import type { Ref, Scope } from "./scopes.ts";

/** A part of a class: a module, a sequence of modules, or an expression. */
export type Unit = ModuleUnit | SequenceUnit | CallUnit;

interface ModuleUnit {
  readonly kind: "module";
  readonly name: string;
  readonly layer: Layer;
  readonly inputs: readonly Ref[];
}

interface SequenceUnit {
  readonly kind: "sequence";
  readonly name: string;
  readonly items: readonly Layer[];
  readonly inputs: readonly Ref[];
}

export interface CallUnit {
  readonly kind: "call";
  readonly name: string;
  readonly op: string;
  readonly attributes: Attributes;
  readonly inputs: readonly Ref[];
}

/** The parts of a scope. `made` has the class of each scope in it that is no sequence. */
export function unitsOf({ steps }: Scope, made: ReadonlyMap<Scope, Layer>): readonly Unit[] {
  return steps.map((step): Unit => {
    if (step.kind === "call") return step;
    const { name, inputs } = step;
    if (step.kind === "layer") return { kind: "module", name, layer: step.layer, inputs };
    if (!step.scope.isSequence) return { kind: "module", name, layer: made.get(step.scope)!, inputs };
    return { kind: "sequence", name, items: step.scope.steps.map((item) => itemOf(item, made)), inputs };
  });
}

function itemOf(step: Scope["steps"][number], made: ReadonlyMap<Scope, Layer>): Layer {
  const layer = step.kind === "layer" ? step.layer : step.kind === "scope" ? made.get(step.scope) : undefined;
  if (layer) return layer;
  throw new UnsupportedError(`${step.name}: a sequence in a sequence has no PyTorch code here; export .onnx instead`);
}

/** One copy of a class: a block of the network. */
export interface Copy {
  readonly path: string;
  /** Channels of the input and of the output. */
  readonly inputs: number;
  readonly outputs: number;
  /** All parts but the shortcut's, in order. */
  readonly main: readonly Unit[];
  /** The sum of branch and shortcut, by its index in `main`; undefined for a block without one. */
  readonly sum: number | undefined;
  readonly shortcut: Shortcut;
}

/** What is added to a block's branch: `units` in a row, from a value of `main`. No units: the value itself. */
interface Shortcut {
  readonly units: readonly Unit[];
  readonly from: Ref;
}

/** Splits the parts of a scope into branch and shortcut. */
export function copyOf({ path, inputs, outputs }: Scope, units: readonly Unit[]): Copy {
  const sum = units.findLastIndex((unit) => unit.kind === "call" && unit.op === "add");
  if (sum < 0) return { path, inputs, outputs, main: units, sum: undefined, shortcut: { units: [], from: "x" } };
  const [branch, other] = units[sum]!.inputs as readonly [Ref, Ref];
  const ofBranch = closureOf(units, branch);
  const apart = [...closureOf(units, other)].filter((ref) => !ofBranch.has(ref)).toSorted((a, b) => a - b);
  const own = new Set(apart);
  const kept = [...units.keys()].filter((index) => !own.has(index));
  const places = new Map(kept.map((index, at) => [index, at]));
  const moved = (ref: Ref): Ref => (ref === "x" ? ref : places.get(ref)!);
  const from = apart.length === 0 ? other : units[apart[0]!]!.inputs[0]!;
  const isRow = apart.every((index, at) => {
    const { inputs } = units[index]!;
    return inputs.length === 1 && inputs[0] === (at === 0 ? from : apart[at - 1]);
  });
  if (!isRow) throw new UnsupportedError(`${path}: its shortcut is no row of modules; export .onnx instead`);
  return {
    path,
    inputs,
    outputs,
    main: kept.map((index): Unit => {
      const unit = units[index]!;
      const read = index === sum ? [branch] : unit.inputs;
      return { ...unit, inputs: read.map(moved) };
    }),
    sum: places.get(sum)!,
    shortcut: {
      units: apart.map((index, at): Unit => ({ ...units[index]!, inputs: [at === 0 ? "x" : at - 1] })),
      from: moved(from),
    },
  };
}

/** The units that a value is computed from, itself included. */
function closureOf(units: readonly Unit[], ref: Ref): ReadonlySet<number> {
  const found = new Set<number>();
  const open = [ref];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    if (next === "x" || found.has(next)) continue;
    found.add(next);
    open.push(...units[next]!.inputs);
  }
  return found;
}

/** What copies of one class have in common: all but numbers. */
export function keyOf(units: readonly Unit[]): string {
  return JSON.stringify(
    units.map((unit) => {
      if (unit.kind === "module") return [unit.name, fixedOf(unit.layer), unit.inputs];
      if (unit.kind === "sequence") return [unit.name, unit.items.map(fixedOf), unit.inputs];
      return [unit.name, unit.op, Object.keys(unit.attributes), unit.inputs];
    }),
  );
}

function fixedOf({ type, fields }: Layer): unknown {
  return [type, Object.entries(fields).map(([name, value]) => [name, typeof value === "number" ? "number" : value])];
}
