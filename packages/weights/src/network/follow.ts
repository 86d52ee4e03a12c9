import {
  type AnyNode,
  concrete,
  formatShape,
  type Graph,
  is,
  type Node,
  nodesOf,
  type OpName,
  type Pads,
  type Shape,
  sizeOf,
  type Tensor,
  tensorOf,
  type Value,
  valuesOf,
} from "@residual/core";
import { shown } from "@residual/kit/bytes";
import { quote } from "../json-reader.ts";
import {
  isOp,
  type Network,
  type NetworkNode,
  type NetworkOutput,
  type NetworkPadding,
  namesInWords,
  type OperationName,
  type OperationOf,
  type Unlike,
  type Weight,
} from "./network.ts";

/** The counterpart of a graph's parameter: a weight of the file, or a constant that the file's graph does not need. */
export type FoundParameter = Weight | Tensor<"float32" | "float64">;

/** A match for every value of a graph in a file's network. The last layer may be missing in the file. */
export interface Followed {
  readonly parameters: ReadonlyMap<string, FoundParameter>;
  /** The names of the network's other outputs, which belong to other heads. */
  readonly left: readonly string[];
}

/** The first value of a graph, in order of computation, for which a file's network has no node. */
export interface Difference extends Unlike {
  /** The number of the graph's values that matched before. */
  readonly followed: number;
}

/**
 * A node of the network that computes a value of the graph. Its inputs match the value's inputs, and so on up to the
 * image.
 */
interface Match {
  readonly at: NetworkNode;
  /** The matches of the value's inputs, by the inputs' names. Only computed inputs are included. */
  readonly from: { readonly [input: string]: Match };
  readonly parameters: ReadonlyMap<string, FoundParameter>;
  /** Whether the node's bias still awaits the value's norm, which the exporter folded into the node. */
  readonly owesNorm: boolean;
}

/**
 * Matches the values of a graph with the nodes of a network, from the image on. The candidates for a value are the
 * nodes that compute the same function of candidates for the value's inputs. Most values have one candidate; where two
 * branches begin alike there are more. The number of candidates is bounded, so the search takes linear time. The first
 * value without a candidate is the first difference.
 *
 * The norm after a convolution may be missing: exporters fold the norm into the convolution, which then has a bias
 *
 *   (w ∗ x − mean) · scale / √(variance + ε) + shift  =  (w · gain) ∗ x + bias,
 *
 * with gain = scale / √(variance + ε) and bias = shift − mean · gain. The graph then gets the parameters of an identity
 * norm plus the bias: scale 1, shift = bias, mean 0 and variance = 1 − ε in float64, where (1 − ε) + ε is exactly 1.
 * (Rounding changes 1 − ε by at most 2⁻⁵⁴, and 1 is the float64 nearest to the sum.) So the folded weight and bias are
 * the bits of the file. The bits stay the same if the variance is stored in float32 in between: variance + ε then
 * changes by at most 2⁻²⁵, the gain by at most 2⁻²⁶ relative, and a float32 weight by less than half a step.
 *
 * The last layer may have any number of outputs. A network without a last layer may end with the features that the
 * layer would read, pooled or not. The network must end where the graph ends, apart from nodes that compute
 * probabilities. Its first output must be the graph's; outputs that lie within the graph do not count. A graph of
 * features may also match a network that continues to classes.
 */
export function follow(graph: Graph, network: Network): Followed | Difference {
  const matches = new Map<Value, readonly Match[]>();
  const image: Match = { at: network.image, from: {}, parameters: new Map(), owesNorm: false };
  let followed = 0;
  for (const value of valuesOf(graph)) {
    if (value.kind === "input") matches.set(value, [image]);
    if (value.kind !== "node") continue;
    const step = new Step(value, (input) => matches.get(input) ?? []);
    const rule = rules[value.op as OpName] as ((node: AnyNode, step: Step) => void) | undefined;
    rule?.(value, step);
    if (step.matches.length === 0) return headless(graph, network, matches) ?? { followed, ...step.difference() };
    matches.set(value, step.matches);
    followed++;
  }
  const hasClasses = nodesOf(graph).some((node) => is(node, "linear"));
  const ends = Object.values<Value>(graph.outputs).map((value) =>
    endMatch(value, matches, network, (at) => (hasClasses ? chainOf(at, isOfEnd) : throughHeads(at))),
  );
  const parameters = traced(ends);
  if (!parameters) return { followed, found: "two ways to read its graph", expected: "one" };
  const { end } = ends.find(({ end }) => "left" in end) ?? ends[0]!;
  return "left" in end ? { parameters, left: end.left } : { followed, ...end };
}

/** Matches a graph without its last layer. The network must end with the features that the last layer reads. */
function headless(graph: Graph, network: Network, matches: Matches): Followed | undefined {
  const last = nodesOf(graph).find((node) => is(node, "linear"));
  let features: Value | undefined = last?.inputs.x;
  while (features?.kind === "node" && (is(features, "flatten") || is(features, "globalAveragePool")))
    features = features.inputs.x;
  if (!features || !matches.has(features) || network.nodes.some((node) => isOp(node, "linear"))) return undefined;
  const match = endMatch(features, matches, network, (at) => chainOf(at, isOfPooling));
  const parameters = traced([match]);
  return parameters && "left" in match.end ? { parameters, left: match.end.left } : undefined;
}

type Matches = ReadonlyMap<Value, readonly Match[]>;

/** The parameters of all matches, found backwards from the ends. Undefined if a value would match two nodes. */
function traced(ends: readonly EndMatch[]): Followed["parameters"] | undefined {
  const chosen = new Map<Value, Match>();
  const parameters = new Map<string, FoundParameter>();
  const open = ends.map(({ value, match }): [Value, Match | undefined] => [value, match]);
  for (let next = open.pop(); next; next = open.pop()) {
    const [value, match] = next;
    if (!match) return undefined;
    const before = chosen.get(value);
    if (before && before.at !== match.at) return undefined;
    if (before || value.kind !== "node") continue;
    chosen.set(value, match);
    for (const [name, found] of match.parameters) parameters.set(name, found);
    for (const [input, from] of Object.entries(match.from)) open.push([value.inputs[input]!, from]);
  }
  return parameters;
}

/** A value at the end of the graph, its match, and the end of the network at that match. */
interface EndMatch {
  readonly value: Value;
  readonly match: Match | undefined;
  readonly end: End;
}

/** The network's other outputs; or the difference if the network does not end at the node. */
type End = Pick<Followed, "left"> | Unlike;

/** The first match of a value at which the network ends. `chainAt` returns the nodes that may follow the match. */
function endMatch(
  value: Value,
  matches: Matches,
  { outputs }: Network,
  chainAt: (node: NetworkNode) => readonly NetworkNode[],
): EndMatch {
  const found = matches.get(value)?.filter(({ owesNorm }) => !owesNorm) ?? [];
  const ends = found.map(
    (match): EndMatch => ({ value, match, end: networkEndOf(match.at, chainAt(match.at), outputs) }),
  );
  return ends.find(({ end }) => "left" in end) ?? ends[0] ?? { value, match: undefined, end: { left: [] } };
}

/**
 * The end of a network at a node. The chain must contain the network's first output. Outputs before the node do not
 * count.
 */
function networkEndOf(at: NetworkNode, chain: readonly NetworkNode[], outputs: readonly NetworkOutput[]): End {
  const within = ancestorsOf(at);
  const isOurs = ({ node }: NetworkOutput) => node !== undefined && chain.includes(node);
  const isWithin = ({ node }: NetworkOutput) => node !== undefined && within.has(node);
  const ends = outputs.filter((output) => isOurs(output) || !isWithin(output));
  const ours = ends.find(isOurs);
  if (!ours) return differenceAfter(at, outputs);
  if (ours !== ends[0])
    return { found: `the outputs ${namesOf(ends)}`, expected: `${quote(ours.name)} to be the first` };
  return { left: ends.filter((end) => !isOurs(end)).map(({ name }) => name) };
}

/** All nodes that a node depends on. */
function ancestorsOf(node: NetworkNode): ReadonlySet<NetworkNode> {
  const found = new Set<NetworkNode>(node.inputs);
  for (const each of found) for (const input of each.inputs) found.add(input);
  return found;
}

/** Whether a node turns logits into probabilities, or reshapes them. */
function isOfEnd(reader: NetworkNode): boolean {
  return isOp(reader, "softmax") || isOp(reader, "reshape");
}

/** Whether a node averages each channel, or reshapes. */
function isOfPooling(reader: NetworkNode): boolean {
  return isOp(reader, "globalAveragePool") || isOp(reader, "averagePool2d") || isOp(reader, "reshape");
}

/** The nodes at which a network may end: the features, or the classes of a head on them. */
function throughHeads(features: NetworkNode): readonly NetworkNode[] {
  const heads = chainOf(features, isOfPooling)
    .flatMap(({ readers }) => readers.slice(0, MOST_READERS))
    .filter((node) => isOp(node, "linear"));
  return [features, ...heads].flatMap((node) => chainOf(node, isOfEnd));
}

/** The difference in a network that continues after the expected end, or has other outputs. */
function differenceAfter(end: NetworkNode, outputs: readonly NetworkOutput[]): Unlike {
  const last = chainOf(end, isOfEnd).find(({ readers }) => readers.some((reader) => !isOfEnd(reader)));
  if (!last) return { found: `the outputs ${namesOf(outputs)}`, expected: `that of ${called(end)}` };
  return {
    found: `${listed(last.readers.filter((each) => !isOfEnd(each)))} after ${called(last)}`,
    expected: "the end",
  };
}

function namesOf(outputs: readonly NetworkOutput[]): string {
  return namesInWords(outputs.map(({ name }) => name));
}

function called({ operator, name }: NetworkNode): string {
  return `${shown(operator, 60)} ${quote(name)}`;
}

function listed(nodes: readonly NetworkNode[]): string {
  return nodes.slice(0, LISTED).map(called).join(", ") || "nothing";
}

/** A node and the chain of matching nodes that read it, up to MOST_IN_CHAIN. */
function chainOf<N extends NetworkNode>(node: N, isNext: (reader: NetworkNode) => reader is N): N[];
function chainOf(node: NetworkNode, isNext: (reader: NetworkNode) => boolean): NetworkNode[];
function chainOf(node: NetworkNode, isNext: (reader: NetworkNode) => boolean): NetworkNode[] {
  const chain = [node];
  for (let i = 0; i < chain.length && chain.length < MOST_IN_CHAIN; i++)
    chain.push(...chain[i]!.readers.slice(0, MOST_READERS).filter(isNext));
  return chain;
}

/** Limits that no exporter's network reaches. They keep the search linear. */
const MOST_IN_CHAIN = 64;
const MOST_READERS = 64;
const MOST_MATCHES = 32;

/** The matches of one value of the graph. */
class Step {
  readonly matches: Match[] = [];
  readonly #node: AnyNode;
  readonly #matchesOf: (value: Value) => readonly Match[];
  #differing: { readonly found: string; readonly expected: string; readonly isLike: boolean } | undefined;

  constructor(node: AnyNode, matchesOf: (value: Value) => readonly Match[]) {
    this.#node = node;
    this.#matchesOf = matchesOf;
  }

  /** All matches of an input. */
  all(input: string): readonly Match[] {
    return this.#matchesOf(this.#node.inputs[input]!);
  }

  /** The matches of an input, except nodes that await a norm: only the norm may read them. */
  paid(input: string): readonly Match[] {
    return this.all(input).filter(({ owesNorm }) => !owesNorm);
  }

  add(
    at: NetworkNode,
    from: { readonly [input: string]: Match },
    parameters: Iterable<readonly [Value | undefined, FoundParameter]> = [],
    owesNorm = false,
  ): void {
    const isKnown = this.matches.some((known) => known.at === at && known.owesNorm === owesNorm);
    if (isKnown || this.matches.length === MOST_MATCHES) return;
    const named = [...parameters].flatMap(([value, found]): [string, FoundParameter][] =>
      value ? [[value.name, found]] : [],
    );
    this.matches.push({ at, from, parameters: new Map(named), owesNorm });
  }

  /**
   * Records a node of the right kind that differs in detail. The first node with weights of the right shape is
   * reported.
   */
  differs(node: NetworkNode, [found, expected]: readonly [found: string, expected: string], isLike = true): void {
    if (this.#differing?.isLike || (this.#differing && !isLike)) return;
    this.#differing = { found: `${called(node)} with ${found}`, expected, isLike };
  }

  difference(): { readonly found: string; readonly expected: string } {
    const { name, op } = this.#node;
    if (this.#differing) return { found: this.#differing.found, expected: `${this.#differing.expected} for ${name}` };
    // the last match of an input is the farthest one, since reshapes come after the value
    const [before] = Object.keys(this.#node.inputs).flatMap((input) => this.all(input).at(-1) ?? []);
    const after = before ? ` after ${called(before.at)}` : "";
    return { found: `${listed(before?.at.readers ?? [])}${after}`, expected: `${op} for ${name}` };
  }
}

/** The most nodes in a message. */
const LISTED = 3;

function readersOf<Name extends OperationName>(
  { at }: Match,
  op: Name,
): (NetworkNode & { operation: OperationOf<Name> })[] {
  return readersIn(at.readers, op);
}

function readersIn<Name extends OperationName>(
  readers: readonly NetworkNode[],
  op: Name,
): (NetworkNode & { operation: OperationOf<Name> })[] {
  const few = readers.length > MOST_READERS ? readers.slice(0, MOST_READERS) : readers;
  return few.filter((reader): reader is NetworkNode & { operation: OperationOf<Name> } => isOp(reader, op));
}

/** A node and its reshapes. A pooled value has one pixel, so that all its shapes have the same order. */
function reshapes(node: NetworkNode): NetworkNode[] {
  return chainOf(node, (reader) => isOp(reader, "reshape"));
}

type Rule<Name extends OpName> = (node: AnyNode & Node<Name>, step: Step) => void;

const unary =
  (op: "relu" | "sigmoid"): Rule<OpName> =>
  (_, step) => {
    for (const x of step.paid("x")) for (const reader of readersOf(x, op)) step.add(reader, { x });
  };

/** Matches an op on two values, in either order. */
const binary =
  (op: "add" | "multiply", a: string, b: string): Rule<OpName> =>
  (_, step) => {
    for (const first of step.paid(a))
      for (const reader of readersOf(first, op)) {
        const other = reader.inputs[reader.inputs[0] === first.at ? 1 : 0];
        for (const second of step.paid(b)) if (second.at === other) step.add(reader, { [a]: first, [b]: second });
      }
  };

/** The rule of each op, which adds the matches of a value. A graph with another op cannot be followed. */
const rules: { readonly [Name in OpName]?: Rule<Name> } = {
  add: binary("add", "a", "b"),
  multiply: binary("multiply", "x", "gate"),
  relu: unary("relu"),
  sigmoid: unary("sigmoid"),
  softmax(_, step) {
    for (const x of step.paid("x")) {
      const readers = readersOf(x, "softmax");
      for (const reader of readers) step.add(reader, { x });
      // a network may end with logits and leave probabilities to its users
      if (readers.length === 0 && isOp(x.at, "linear")) step.add(x.at, { x });
    }
  },
  conv2d(node, step) {
    const { inputs, attributes } = node;
    for (const x of step.paid("x"))
      for (const { reader, around, value } of padded(x, "conv2d")) {
        if (value !== 0) continue;
        const { operation } = reader;
        const { weight, bias } = operation;
        const window = concrete(inputs.weight.shape, 1).slice(2);
        const misshapen = unlike("weights of", weight.shape, inputs.weight.shape, formatShape);
        const difference =
          misshapen ??
          unlike("stride", operation.stride, attributes.stride, formatShape) ??
          unlike("padding", padsOf(operation, node, window, around), attributes.padding) ??
          unlike("dilation", operation.dilation, attributes.dilation, formatShape) ??
          unlike("groups", [operation.groups], [attributes.groups]);
        if (difference) step.differs(reader, difference, !misshapen);
        else {
          const zeros = inputs.bias && made(inputs.bias, 0);
          const found: FoundParameter | undefined = bias ?? zeros;
          const more = found ? [[inputs.bias, found] as const] : [];
          step.add(reader, { x }, [[inputs.weight, weight], ...more], bias !== undefined && !inputs.bias);
        }
      }
  },
  batchNorm(norm, step) {
    const {
      inputs,
      attributes: { epsilon },
    } = norm;
    for (const x of step.paid("x"))
      for (const reader of readersOf(x, "batchNorm")) {
        const { operation } = reader;
        const [found, expected] = [Math.fround(operation.epsilon), Math.fround(epsilon)];
        const difference =
          unlike("channels", operation.mean.shape, inputs.mean.shape) ??
          (found === expected ? undefined : ([`epsilon ${operation.epsilon}`, String(epsilon)] as const));
        if (difference) step.differs(reader, difference);
        else
          step.add(reader, { x }, [
            [inputs.scale, operation.scale ?? made(inputs.scale, 1)],
            [inputs.shift, operation.shift ?? made(inputs.shift, 0)],
            [inputs.mean, operation.mean],
            [inputs.variance, operation.variance],
          ]);
      }
    // a folded norm; see `follow`
    for (const x of step.all("x")) {
      if (!isOp(x.at, "conv2d")) continue;
      if (readersOf(x, "batchNorm").length > 0) {
        if (x.owesNorm) step.differs(x.at, ["a bias before a norm", "no bias"]);
        continue;
      }
      const bias = x.owesNorm ? [[inputs.shift, x.at.operation.bias!] as const] : [];
      step.add(x.at, { x }, [...identityNorm(norm), ...bias]);
    }
  },
  maxPool2d(node, step) {
    const { attributes, inputs } = node;
    for (const x of step.paid("x")) {
      // padding counts as −∞; after a ReLU, zeros have the same effect, because no value is below them
      const isRectified = is(inputs.x, "relu");
      for (const { reader, around, value } of padded(x, "maxPool2d")) {
        if (around && value === 0 && !isRectified) continue;
        const { operation } = reader;
        const difference =
          unlike("window", operation.window, attributes.window, formatShape) ??
          unlike("stride", operation.stride, attributes.stride, formatShape) ??
          unlike("padding", padsOf(operation, node, attributes.window, around), attributes.padding) ??
          unlike("an output of", stepsOf(operation, node, around), node.shape.slice(2), formatShape);
        if (difference) step.differs(reader, difference);
        else step.add(reader, { x });
      }
    }
  },
  averagePool2d(node, step) {
    const { attributes } = node;
    for (const x of step.paid("x"))
      for (const reader of readersOf(x, "averagePool2d")) {
        const { operation } = reader;
        const [top, left, bottom, right] = padsOf(operation, node, attributes.window, undefined);
        const difference =
          unlike("window", operation.window, attributes.window, formatShape) ??
          unlike("stride", operation.stride, attributes.stride, formatShape) ??
          unlike("padding at the top and left", [top, left], [0, 0]) ??
          (bottom + right > 0 && operation.countsPadding ? (["padding that counts", "none"] as const) : undefined) ??
          unlike("an output of", stepsOf(operation, node, undefined), node.shape.slice(2), formatShape);
        if (difference) step.differs(reader, difference);
        else step.add(reader, { x });
      }
  },
  globalAveragePool({ inputs }, step) {
    const size = inputs.x.shape.slice(2).join();
    for (const x of step.paid("x")) {
      const whole = readersOf(x, "averagePool2d").filter(
        ({ operation: { window, padding } }) =>
          window.join() === size && (padding === "same" || !padding.some(Boolean)),
      );
      for (const reader of [...readersOf(x, "globalAveragePool"), ...whole])
        for (const at of reshapes(reader)) step.add(at, { x });
    }
  },
  flatten(_, step) {
    for (const x of step.paid("x")) step.add(x.at, { x });
  },
  linear({ inputs }, step) {
    const width = inputs.weight.shape[1]!;
    for (const x of step.paid("x"))
      for (const reader of readersOf(x, "linear")) {
        const { weight, bias } = reader.operation;
        const difference = unlike("inputs", [weight.shape[1]!], [width]);
        if (difference) step.differs(reader, difference);
        else
          step.add(reader, { x }, [
            [inputs.weight, weight],
            [inputs.bias, bias ?? made({ shape: [weight.shape[0]!] }, 0)],
          ]);
      }
  },
  zeroPad2d({ attributes: { padding } }, step) {
    for (const x of step.paid("x"))
      for (const reader of readersOf(x, "pad2d")) {
        if (reader.operation.value !== 0) continue;
        const difference = unlike("zeros of", reader.operation.padding, padding);
        if (difference) step.differs(reader, difference);
        else step.add(reader, { x });
      }
  },
  padChannels({ attributes: { before, after } }, step) {
    for (const x of step.paid("x"))
      for (const reader of readersOf(x, "padChannels")) {
        const { operation } = reader;
        const difference = unlike("channels of zeros", [operation.before, operation.after], [before, after]);
        if (difference) step.differs(reader, difference);
        else step.add(reader, { x });
      }
  },
  subsample({ inputs, attributes: { stride } }, step) {
    const [, , height, width] = concrete(inputs.x.shape, 1);
    for (const x of step.paid("x")) {
      for (const reader of readersOf(x, "subsample").flatMap(subsamples)) {
        const { stride: found, ends } = reader.operation;
        const difference =
          unlike("stride", found, stride, formatShape) ??
          (ends[0] >= height! && ends[1] >= width! ? undefined : ([`an end at ${ends.join("×")}`, "none"] as const));
        if (difference) step.differs(reader, difference);
        else step.add(reader, { x });
      }
      for (const reader of readersOf(x, "maxPool2d")) {
        const { window, stride: found } = reader.operation;
        if (window.join() === "1,1" && found.join() === stride.join()) step.add(reader, { x });
      }
    }
  },
};

/**
 * A subsampling and the ones that follow it: exporters write a Slice for each axis. Each node describes the whole
 * chain.
 */
function subsamples(
  node: NetworkNode & { operation: OperationOf<"subsample"> },
): (NetworkNode & { operation: OperationOf<"subsample"> })[] {
  return chainOf(node, (reader): reader is typeof node => isOp(reader, "subsample"));
}

/** The readers of a value, directly or through a padding node. */
function padded<Name extends "conv2d" | "maxPool2d">(
  x: Match,
  op: Name,
): {
  readonly reader: NetworkNode & { operation: OperationOf<Name> };
  readonly around: Pads | undefined;
  readonly value: number;
}[] {
  return [
    ...readersOf(x, op).map((reader) => ({ reader, around: undefined, value: 0 })),
    ...readersOf(x, "pad2d").flatMap(({ readers, operation: { padding, value } }) =>
      readersIn(readers, op).map((reader) => ({ reader, around: padding, value })),
    ),
  ];
}

interface Windowed {
  readonly padding: NetworkPadding;
  readonly stride: readonly [number, number];
}

/** A node's padding for the graph's input size, including a preceding padding node. */
function padsOf(
  { padding, stride }: Windowed,
  node: AnyNode,
  window: readonly number[],
  around: Pads | undefined,
): Pads {
  const [top, left, bottom, right] = around ?? [0, 0, 0, 0];
  if (padding !== "same") return [padding[0] + top, padding[1] + left, padding[2] + bottom, padding[3] + right];
  const sizes = inputSize(node);
  const [h, w] = [0, 1].map((axis) => {
    const size = sizes[axis]! + (axis === 0 ? top + bottom : left + right);
    return Math.max((Math.ceil(size / stride[axis]!) - 1) * stride[axis]! + window[axis]! - size, 0);
  }) as [number, number];
  return [top + Math.floor(h / 2), left + Math.floor(w / 2), bottom + Math.ceil(h / 2), right + Math.ceil(w / 2)];
}

/**
 * The number of windows of a pool, vertically and horizontally. The last window must begin before the padding at the
 * end.
 */
function stepsOf(operation: OperationOf<"maxPool2d">, node: AnyNode, around: Pads | undefined): readonly number[] {
  const [top, left, bottom, right] = padsOf(operation, node, operation.window, around);
  const sizes = inputSize(node);
  return [
    [top, bottom],
    [left, right],
  ].map(([before, after], axis) => {
    const [size, window, stride] = [sizes[axis]!, operation.window[axis]!, operation.stride[axis]!];
    const steps = (size + before! + after! - window) / stride;
    if (!operation.ceil) return Math.floor(steps) + 1;
    const most = Math.ceil(steps) + 1;
    return (most - 1) * stride >= size + before! ? most - 1 : most;
  });
}

function inputSize(node: AnyNode): readonly number[] {
  return concrete(node.inputs.x!.shape, 1).slice(2);
}

/** The found and the expected list if they differ. */
function unlike(
  what: string,
  found: Shape,
  expected: Shape,
  format: (list: Shape) => string = (list) => list.join(", "),
): readonly [found: string, expected: string] | undefined {
  if (found.length === expected.length && found.every((each, i) => each === expected[i])) return undefined;
  return [`${what} ${format(found)}`, format(expected)];
}

/** The parameters of a norm that changes nothing, as the docstring of `follow` derives them. */
export function identityNorm({
  inputs: { scale, shift, mean, variance },
  attributes: { epsilon },
}: Node<"batchNorm">): readonly (readonly [Value, Tensor<"float32" | "float64">])[] {
  return [
    [scale, made(scale, 1)],
    [shift, made(shift, 0)],
    [mean, made(mean, 0)],
    [variance, made(variance, 1 - epsilon)],
  ];
}

/** A parameter whose numbers all have the same value. */
function made({ shape }: Pick<Value, "shape">, value: number): Tensor<"float32" | "float64"> {
  const size = sizeOf(shape as readonly number[]);
  if (Math.fround(value) !== value) return tensorOf("float64", [size], new Float64Array(size).fill(value));
  return tensorOf("float32", [size], new Float32Array(size).fill(value));
}
