import { check, ShapeError, UnsupportedError } from "../ir/errors.ts";
import { type Graph, graph, inputsOf, rebuild, valuesOf } from "../ir/graph.ts";
import { freeName } from "../ir/names.ts";
import { tensorOf } from "../ir/tensor.ts";
import { type AnyNode, constant, formatShape, input, type Value } from "../ir/value.ts";
import { add, batchNormInputGradient, batchNormScaleGradient, channelSum } from "../ops/index.ts";
import { is, opOf, partsOf } from "../ops/nodes.ts";
import { finder, unknownName } from "./find-value.ts";

/** The gradients to compute. */
export interface DifferentiateOptions<Of extends string, By extends string, Seed extends string = never> {
  /** The value to differentiate: a scalar, unless `seed` is given. An output, an alias, or any value's name. */
  readonly of: Of;
  /** The values to differentiate by: variables, inputs, or any other values. */
  readonly by: readonly By[];
  /**
   * The name of an input, added if the graph has none of that name, with the shape of `of`: the gradients are those of
   * Σ seed · of. For logits, a one-hot seed gives the gradient of one class.
   */
  readonly seed?: Seed;
}

/** The name of the output that holds a gradient. */
export type GradientName<By extends string> = `${By}.gradient`;

/** `differentiate` for names that the compiler does not know. */
export function differentiate<
  In extends string,
  Out extends string,
  Of extends string,
  By extends string,
  Seed extends string = never,
>(
  source: Graph<In, Out>,
  options: string extends By | Of ? DifferentiateOptions<Of, By, Seed> : never,
): Graph<In | Seed, Out | GradientName<By>>;

/**
 * The graph with gradients as further outputs: `differentiate(graph, { of: "loss", by: ["fc.weight", "image"] })` adds
 * `fc.weight.gradient` and `image.gradient`. Reverse mode: the chain rule from `of` backward, where each op states the
 * gradients of its inputs, and the gradients of a composite follow from its parts. A value that is read more than once
 * sums its gradients, in the order of its readers from the last to the first.
 *
 * The gradient of a value is the node `VALUE.gradient`, a term of it `READER.INPUT.gradient`. A batch norm in training
 * (whose mean and variance are batchMean and batchVariance of its input) gets the closed form of its gradient, in which
 * the terms through mean and variance are summed beforehand.
 *
 * D1  `of` and `by` name values of the graph.
 * D2  `of` is a scalar, or there is a seed. An input named as the seed has the shape of `of`.
 * D3  `of` depends on each value of `by`.
 * D4  each gradient has the shape of its value. (A sum over an open batch has no gradient of a known shape.)
 * Throws ShapeError under these labels, and UnsupportedError for an op without a gradient.
 */
export function differentiate<
  In extends string,
  Out extends string,
  Names extends string,
  const Of extends NoInfer<Out | Names>,
  const By extends NoInfer<Out | Names>,
  const Seed extends string = never,
>(
  source: Graph<In, Out, Names>,
  options: DifferentiateOptions<Of, By, Seed>,
): Graph<In | Seed, Out | GradientName<By>, Names | GradientName<By>>;
export function differentiate(source: Graph, options: DifferentiateOptions<string, string, string>): Graph {
  const find = finder(source);
  const known = (name: string): Value => {
    const value = find(name);
    if (value) return value;
    throw new ShapeError("differentiate.D1", unknownName(source, name));
  };
  const of = known(options.of);
  const by = options.by.map((name) => [name, known(name)] as const);
  const { inputs, seed } = seedOf(source, of, options);
  const chain = new Chain(source, new Set(by.map(([, value]) => value)));
  const gradients = chain.backward(valuesOf(source), of, seed);
  const outputs = by.map(([name, value]): [string, Value] => {
    const gradient = gradients.get(value);
    if (gradient) return [`${name}.gradient`, gradient];
    throw new ShapeError("differentiate.D3", `${options.of} of ${source.name} does not depend on ${name}`);
  });
  const draft = { ...source, inputs, outputs: { ...source.outputs, ...Object.fromEntries(outputs) } };
  return graph(chain.named(draft));
}

/** The gradient of `of` itself: 1, or the seed. */
function seedOf(
  source: Graph,
  of: Value,
  options: DifferentiateOptions<string, string, string>,
): { readonly inputs: Graph["inputs"]; readonly seed: Value } {
  const { shape } = of;
  if (options.seed === undefined) {
    const wayOut = "differentiate a loss, or give the name of an input as seed";
    const found = () => `${options.of} is ${formatShape(shape)}, expected a scalar; ${wayOut}`;
    check(shape.length === 0, "differentiate.D2", found);
    return { inputs: source.inputs, seed: constant("one", tensorOf("float32", [], Float32Array.of(1))) };
  }
  const seed = source.inputs[options.seed] ?? input(options.seed, shape);
  const found = () => `${seed.name} is ${formatShape(seed.shape)}, expected ${formatShape(shape)} as ${options.of}`;
  check(seed.shape.join() === shape.join(), "differentiate.D2", found);
  return { inputs: { ...source.inputs, [seed.name]: seed }, seed };
}

/** A term of the gradient of `value`. */
interface Term {
  readonly value: Value;
  readonly gradient: Value;
  readonly name: string;
}

/** The chain rule on one graph. Nodes are made without names; `named` names all of them at the end. */
class Chain {
  readonly #targets: ReadonlySet<Value>;
  readonly #own: ReadonlySet<Value>;
  /** The values that depend on a target. */
  readonly #depending: Set<Value>;
  readonly #names = new Map<Value, string>();

  constructor(source: Graph, targets: ReadonlySet<Value>) {
    this.#targets = targets;
    this.#own = new Set(valuesOf(source));
    this.#depending = new Set(targets);
    this.#mark(valuesOf(source));
  }

  /** Adds the values of an order that depend on a target. */
  #mark(order: readonly Value[]): void {
    for (const value of order)
      if (inputsOf(value).some((each) => this.#depending.has(each))) this.#depending.add(value);
  }

  /**
   * The gradients of all values of an order that `of` is computed from and that depend on a target. Does not go beyond
   * `leaves`. `output` is the value that stands for `of`.
   */
  backward(
    order: readonly Value[],
    of: Value,
    seed: Value,
    { leaves = new Set(), output = of }: { leaves?: ReadonlySet<Value>; output?: Value } = {},
  ): ReadonlyMap<Value, Value> {
    const open = new Map<Value, Term[]>([[of, [{ value: of, gradient: seed, name: "" }]]]);
    const gradients = new Map<Value, Value>();
    for (const value of order.toReversed()) {
      const terms = open.get(value);
      if (!terms) continue;
      const gradient = this.#sum(value, terms);
      gradients.set(value, gradient);
      if (value.kind !== "node" || leaves.has(value)) continue;
      for (const term of this.#terms(value, gradient, value === of ? output : value)) {
        const others = open.get(term.value);
        if (others) others.push(term);
        else open.set(term.value, [term]);
      }
    }
    return gradients;
  }

  #sum({ name }: Value, terms: readonly Term[]): Value {
    if (terms.length > 1) for (const term of terms) this.#name(term.gradient, term.name);
    const sum = terms
      .map(({ gradient }) => gradient)
      .reduce((a, b) => {
        this.#name(a, `${name}.gradient/add`);
        return add({ a, b });
      });
    this.#name(sum, `${name}.gradient`);
    return sum;
  }

  /** The terms that a node adds to the gradients of those of its inputs that depend on a target. */
  #terms(node: AnyNode, dy: Value, output: Value): readonly Term[] {
    if (!inputsOf(node).some((each) => this.#depending.has(each))) return [];
    const terms = this.#rule(node, dy, output).filter(({ value }) => this.#depending.has(value));
    for (const { value, gradient } of terms) {
      const found = () => `${formatShape(gradient.shape)}, expected ${formatShape(value.shape)}`;
      const fits = gradient.shape.join() === value.shape.join();
      check(
        fits,
        "differentiate.D4",
        () => `the gradient of ${value.name} is ${found()}; fix the batch with closeBatch`,
      );
    }
    const tops = new Set(terms.map(({ gradient }) => gradient));
    for (const top of tops) this.#nameInner(top, `${node.name}.gradient`, new Set([...tops, dy]));
    return terms;
  }

  #rule(node: AnyNode, dy: Value, output: Value): readonly Term[] {
    const { inputs, attributes } = node;
    const gradients = this.#normOfBatch(node, dy) ?? opOf(node).gradient?.({ inputs, attributes, output }, dy);
    if (!gradients) return this.#throughParts(node, dy, output);
    return Object.entries(gradients).flatMap(([input, gradient]) =>
      gradient ? [{ value: inputs[input]!, gradient, name: `${node.name}.${input}.gradient` }] : [],
    );
  }

  /** The chain rule inside a composite. Its parts are computed again where a gradient reads them. */
  #throughParts(node: AnyNode, dy: Value, output: Value): readonly Term[] {
    const parts = partsOf(node);
    const root = parts.at(-1);
    if (!root)
      throw new UnsupportedError(
        `differentiate: ${node.op} (${node.name}) has no gradient; there are no second derivatives`,
      );
    this.#mark(parts);
    const leaves = new Set(inputsOf(node));
    const gradients = this.backward([...leaves, ...parts], root, dy, { leaves, output });
    return [...leaves].flatMap((value) => {
      const gradient = gradients.get(value);
      return gradient ? [{ value, gradient, name: `${node.name}.gradient` }] : [];
    });
  }

  /**
   * The gradients of a batch norm in training, with the terms through the batch's mean and variance in that of x. (The
   * closed form of what the chain rule gives for batchNorm, batchVariance and batchMean, one after the other.)
   */
  #normOfBatch(node: AnyNode, dy: Value): { readonly [input: string]: Value } | undefined {
    if (!is(node, "batchNorm")) return undefined;
    const { x, scale, mean, variance } = node.inputs;
    const isOfBatch =
      is(mean, "batchMean") &&
      mean.inputs.x === x &&
      is(variance, "batchVariance") &&
      variance.inputs.x === x &&
      variance.inputs.mean === mean;
    if (!isOfBatch || this.#targets.has(mean) || this.#targets.has(variance)) return undefined;
    const shiftGradient = channelSum({ x: dy });
    const scaleGradient = batchNormScaleGradient({ x, dy, mean, variance }, node.attributes);
    const inputs = { x, dy, scale, mean, variance, scaleGradient, shiftGradient };
    return { x: batchNormInputGradient(inputs, node.attributes), scale: scaleGradient, shift: shiftGradient };
  }

  /** Gives a new node its name, unless it has one. */
  #name(value: Value, name: string): void {
    if (value.kind === "node" && value.name === "" && !this.#names.has(value)) this.#names.set(value, name);
  }

  /** Names the new nodes that a gradient is computed from. */
  #nameInner(value: Value, prefix: string, known: ReadonlySet<Value>): void {
    for (const each of inputsOf(value)) {
      if (this.#own.has(each) || known.has(each) || this.#names.has(each)) continue;
      this.#name(each, `${prefix}/${each.kind === "node" ? each.op : each.name}`);
      if (each.kind === "constant") this.#names.set(each, `${prefix}/${each.name}`);
      this.#nameInner(each, prefix, known);
    }
  }

  /** The graph with a name for each new node, and names of its own for each new constant. */
  named(draft: Graph): Graph {
    const taken = new Set([...this.#own].map(({ name }) => name));
    return rebuild(
      draft,
      (node, original) => (node.name === "" ? { ...node, name: this.#names.get(original) ?? "" } : node),
      (leaf) => {
        if (this.#own.has(leaf)) return leaf;
        return { ...leaf, name: freeName(this.#names.get(leaf) ?? leaf.name, taken) };
      },
    );
  }
}
