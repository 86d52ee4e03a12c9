import { UnsupportedError } from "@residual/core";
import type { Ref } from "./scopes.ts";

/** A part of a class as `forward` runs it. */
export interface Action {
  readonly inputs: readonly Ref[];
  /** The expression, given those of its inputs. */
  readonly text: (inputs: readonly string[]) => string;
  /** Whether it begins a line of its own: a convolution, a block, a pool. */
  readonly isHeavy: boolean;
  /** A name for its value where several parts read it. */
  readonly name?: string | undefined;
  /** Lines before it, which give the variable `shortcut`. */
  readonly before?: Branch | undefined;
}

/** The shortcut of a block, as `if` and `elif`: the first case whose condition holds. */
export interface Branch {
  readonly cases: readonly Case[];
  /** The value where no case holds; undefined if one always does. */
  readonly otherwise: Ref | undefined;
}

export interface Case {
  /** Undefined if it always holds. */
  readonly condition: string | undefined;
  /** Whether the condition asks for a module that may be None. */
  readonly isModule: boolean;
  readonly from: Ref;
  /** The expressions of its parts, each given the one before. */
  readonly texts: readonly ((input: string) => string)[];
}

interface Pending {
  readonly text: string;
  readonly isHeavy: boolean;
}

/** Writes the lines of `forward`: convolution, norm and activation on one line, as people do. */
export class Forward {
  readonly lines: string[] = [];
  readonly #left = new Map<Ref, number>();
  readonly #pending = new Map<Ref, Pending>();
  readonly #names = new Map<Ref, string>([["x", "x"]]);

  constructor(actions: readonly Action[]) {
    for (const { inputs, before } of actions)
      for (const ref of [...inputs, ...refsOf(before)]) this.#left.set(ref, (this.#left.get(ref) ?? 0) + 1);
    for (const [index, action] of actions.entries()) this.#add(action, index);
    this.lines.push(`return ${this.#take(actions.length - 1)}`);
  }

  #add({ inputs, text, isHeavy, name, before }: Action, index: number): void {
    const isLast = this.#left.get(index) === undefined;
    const breaks = isHeavy || inputs.length > 1 || before !== undefined;
    for (const ref of inputs) if (breaks && this.#pending.get(ref)?.isHeavy) this.#assign(ref, undefined);
    const wasHeavy = inputs.some((ref) => this.#pending.get(ref)?.isHeavy);
    const shortcut = before ? [this.#shortcut(before)] : [];
    const taken = [...inputs.map((ref) => this.#take(ref)), ...shortcut];
    this.#pending.set(index, { text: text(taken), isHeavy: isHeavy || wasHeavy });
    if (!isLast && this.#left.get(index)! > 1) this.#assign(index, name);
  }

  /** Gives a value a variable. */
  #assign(ref: Ref, wanted: string | undefined): void {
    const taken = new Set(this.#names.values());
    const usual = [...(wanted === undefined ? [] : [wanted]), "x", "y", "z"];
    const name = usual.find((each) => !taken.has(each)) ?? `y${taken.size}`;
    this.lines.push(`${name} = ${this.#pending.get(ref)!.text}`);
    this.#pending.delete(ref);
    this.#names.set(ref, name);
  }

  /** The expression of a value. A variable is free again after its last use. */
  #take(ref: Ref): string {
    const pending = this.#pending.get(ref);
    const text = pending?.text ?? this.#names.get(ref)!;
    const left = (this.#left.get(ref) ?? 1) - 1;
    this.#left.set(ref, left);
    if (left <= 0) this.#names.delete(ref);
    return text;
  }

  /** Lines for the shortcut, and its expression. */
  #shortcut({ cases, otherwise }: Branch): string {
    const inputs = cases.map(({ from }) => this.#take(from));
    const other = otherwise === undefined ? undefined : this.#take(otherwise);
    const [first] = cases;
    if (!first) return other!;
    const only = first.texts.reduce((value, text) => text(value), inputs[0]!);
    if (first.condition === undefined) this.lines.push(`shortcut = ${only}`);
    else if (cases.length === 1 && first.isModule)
      this.lines.push(`shortcut = ${other} if ${first.condition} is None else ${only}`);
    else {
      for (const [at, { condition, isModule, texts }] of cases.entries()) {
        const test = condition === undefined ? "else" : `${at === 0 ? "if" : "elif"} ${condition}`;
        this.lines.push(`${test}${condition !== undefined && isModule ? " is not None" : ""}:`);
        for (const [part, text] of texts.entries())
          this.lines.push(`    shortcut = ${text(part === 0 ? inputs[at]! : "shortcut")}`);
      }
      if (cases.at(-1)!.condition !== undefined) this.lines.push("else:", `    shortcut = ${other}`);
    }
    return "shortcut";
  }
}

function refsOf(branch: Branch | undefined): readonly Ref[] {
  if (!branch) return [];
  return [...branch.cases.map(({ from }) => from), ...(branch.otherwise === undefined ? [] : [branch.otherwise])];
}

/** The expression of an op without a module. `numbers` are its attributes in Python. */
export function callText(op: string, numbers: Readonly<Record<string, string>>, inputs: readonly string[]): string {
  const [x, other] = inputs as readonly [string, string];
  const held = /^[\w.]+$/.test(x) ? x : `(${x})`;
  const { stride, before, after } = numbers;
  if (op === "add") return `${x} + ${other}`;
  if (op === "multiply") return `${x} * ${other}`;
  if (op === "flatten") return `torch.flatten(${x}, 1)`;
  if (op === "padChannels") return `F.pad(${x}, (0, 0, 0, 0, ${before}, ${after}))`;
  const step = stride!.includes(".") ? ` ${stride}` : stride;
  return `${held}[:, :, ::${step}, ::${step}]`;
}

/** An attribute of an op without a module. Throws UnsupportedError for a stride that differs down and right. */
export function callField(value: number | readonly number[]): number {
  const [first, second] = typeof value === "number" ? [value, value] : value;
  if (first === second) return first!;
  throw new UnsupportedError(
    `a stride of ${first} down and ${second} right has no PyTorch code here; export .onnx instead`,
  );
}
