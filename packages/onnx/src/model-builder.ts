import {
  type AnyNode,
  freeName,
  type Graph,
  type Leaf,
  tensor,
  tensorOf,
  UnsupportedError,
  type Update,
  type Value,
  type Variable,
} from "@residual/core";
import type { Initializer, ModelVariable, OnnxNode } from "./model-proto.ts";

export type OnnxAttributes = OnnxNode["attributes"];

/** The dialects of ONNX that a model can be written in. */
export type OnnxDialect = "standard" | "webgpu";

/** An operator, its inputs besides the result of the preceding step, and its attributes. */
export type Step = readonly [operator: string, inputs: readonly (string | undefined)[], attributes?: OnnxAttributes];

/** Collects nodes and constants, and keeps names unique. */
export class ModelBuilder {
  readonly nodes: OnnxNode[] = [];
  readonly weights: Initializer[] = [];
  readonly numbers: Initializer[] = [];
  readonly dialect: OnnxDialect;
  readonly #graph: Graph;
  readonly #taken: Set<string>;
  readonly #outputs: Set<string>;
  /** The names of leaves, constants of one number, and values that several nodes share, by their meaning. */
  readonly #known = new Map<Value | string, string>();
  /** Names of the inputs for variables with updates. Other variables are constants. */
  readonly #variables: ReadonlyMap<Value, string>;

  constructor(graph: Graph, dialect: OnnxDialect) {
    this.#graph = graph;
    this.dialect = dialect;
    this.#outputs = new Set(Object.keys(graph.outputs));
    this.#taken = new Set([...Object.keys(graph.inputs), ...this.#outputs]);
    this.#variables = new Map(graph.updates.map(({ variable }) => [variable, this.#nameOf(variable)]));
  }

  /** One operator for a node. A missing last input is not written. */
  emit(
    operator: string,
    node: AnyNode,
    inputs: readonly (string | undefined)[],
    attributes: OnnxAttributes = {},
  ): string {
    return this.add(operator, this.#nameOf(node), inputs, attributes);
  }

  /** One operator that computes several nodes. */
  emitAll(
    operator: string,
    nodes: readonly AnyNode[],
    inputs: readonly string[],
    attributes: OnnxAttributes,
  ): readonly string[] {
    const outputs = nodes.map((node) => this.#nameOf(node));
    this.nodes.push({ operator, name: outputs[0]!, inputs, outputs, attributes });
    return outputs;
  }

  /** A value that several nodes need, made once. `meaning` says what it is. */
  once(meaning: string, make: () => string): string {
    const known = this.#known.get(meaning) ?? make();
    this.#known.set(meaning, known);
    return known;
  }

  /** The name of a node's value, or of an intermediate value, for an operator that is added later. */
  nameFor(node: AnyNode, purpose?: string): string {
    return purpose === undefined ? this.#nameOf(node) : this.#free(`${node.name}/${purpose}`);
  }

  /** An operator with one output of this name. */
  add(
    operator: string,
    output: string,
    inputs: readonly (string | undefined)[],
    attributes: OnnxAttributes = {},
    domain?: string,
  ): string {
    const given = inputs.filter((input) => input !== undefined);
    const own = { name: output, inputs: given, outputs: [output], attributes };
    this.nodes.push({ operator, ...(domain !== undefined && { domain }), ...own });
    return output;
  }

  /** An intermediate operator of a node. */
  step(
    operator: string,
    node: AnyNode,
    purpose: string,
    inputs: readonly string[],
    attributes: OnnxAttributes = {},
    domain?: string,
  ): string {
    return this.add(operator, this.nameFor(node, purpose), inputs, attributes, domain);
  }

  /** An intermediate operator with several outputs, one for each purpose. */
  steps(
    operator: string,
    node: AnyNode,
    purposes: readonly string[],
    inputs: readonly string[],
    attributes: OnnxAttributes = {},
  ): readonly string[] {
    const outputs = purposes.map((purpose) => this.#free(`${node.name}/${purpose}`));
    this.nodes.push({ operator, name: outputs[0]!, inputs, outputs, attributes });
    return outputs;
  }

  /** Consecutive operators for one node. The last has the node's name, or that of an intermediate value. */
  chain(node: AnyNode, steps: readonly Step[], purpose?: string): string {
    let before: string | undefined;
    for (const [index, [operator, inputs, attributes]] of steps.entries()) {
      const last = index === steps.length - 1;
      const name = this.nameFor(node, last ? purpose : operator);
      before = this.add(operator, name, before === undefined ? inputs : [before, ...inputs], attributes ?? {});
    }
    return before!;
  }

  /** Integers that an operator takes as an input. */
  whole(node: AnyNode, purpose: string, list: readonly number[]): string {
    const name = this.#free(`${node.name}/${purpose}`);
    this.numbers.push({ name, source: tensorOf("int64", [list.length], BigInt64Array.from(list, BigInt)) });
    return name;
  }

  /** A scalar that an operator takes as an input. */
  number(node: AnyNode, purpose: string, value: number): string {
    const name = this.#free(`${node.name}/${purpose}`);
    this.weights.push({ name, source: tensor([], [value]) });
    return name;
  }

  /** A vector of equal numbers. */
  fill(length: number, value: number): string {
    return this.once(`${length} times ${value}`, () => {
      const name = this.#free(`${value === 0 ? "zeros" : "ones"}/${length}`);
      this.weights.push({ name, source: tensorOf("float32", [length], new Float32Array(length).fill(value)) });
      return name;
    });
  }

  leaf(leaf: Leaf): string {
    if (leaf.kind === "input" || leaf.kind === "parameter") return leaf.name;
    const known = this.#variables.get(leaf) ?? this.#known.get(leaf);
    if (known !== undefined) return known;
    const name = this.#free(leaf.name);
    this.weights.push({ name, source: leaf.source });
    this.#known.set(leaf, name);
    return name;
  }

  /** The input of a variable, and an output for its update. */
  variable({ variable }: Update, found: string): ModelVariable {
    const { name, source } = variable;
    // A value that is an output already would be in memory that is given to the caller.
    const isOwn = this.nodes.some(({ outputs }) => outputs.includes(found)) && !this.#outputs.has(found);
    const update = isOwn ? found : this.add("Identity", this.#free(`${name}/next`), [found], {});
    this.#outputs.add(update);
    return { name, source, input: this.#variables.get(variable)!, update };
  }

  /** Gives a value the name of an output, if it has another. */
  output(name: string, value: Value, found: string): void {
    if (found === name) return;
    const clash = `onnx: output ${name} of ${this.#graph.name} (${value.name}) has the name of an input; rename one`;
    if (Object.hasOwn(this.#graph.inputs, name)) throw new UnsupportedError(clash);
    this.add("Identity", name, [found], {});
  }

  /** A value's own name, unless an output of another value has that name. */
  #nameOf(value: AnyNode | Variable): string {
    return this.#graph.outputs[value.name] === value ? value.name : this.#free(value.name);
  }

  #free(wanted: string): string {
    return freeName(wanted, this.#taken);
  }
}
