import type { AnyNode, Shape, Value } from "../ir/value.ts";
import { is, rolesOf } from "../ops/nodes.ts";

/** The kind of layer in a box; decides the box's colour. */
export type Kind = "convolution" | "pooling" | "linear" | "gate" | "norm" | "join" | "other";

/** Nodes that are drawn as one box: a convolution with its norm and ReLU, or a sum with its ReLU. */
export interface Cell {
  /** The name of the first node. */
  readonly name: string;
  readonly kind: Kind;
  /** The text of the box: the layer first, then its details. */
  readonly lines: readonly string[];
  /** The text for a place too narrow for `lines`. */
  readonly short: readonly string[];
  readonly nodes: readonly AnyNode[];
}

/** Ops that are drawn in the box of the preceding node. */
const details: { readonly [op: string]: string } = {
  batchNorm: "BN",
  relu: "ReLU",
  sigmoid: "sigmoid",
  softmax: "softmax",
  logSoftmax: "log softmax",
  flatten: "flatten",
};

/** A norm's text includes its epsilon if the epsilon differs from the network's. */
function detailOf(node: AnyNode, epsilon: number | undefined): string {
  const own = node.attributes.epsilon;
  const isOther = node.op === "batchNorm" && own !== epsilon;
  return isOther ? `BN ε ${(own as number).toExponential()}` : (details[node.op] ?? node.op);
}

/** The epsilon that most norms have; undefined without norms. */
export function epsilonOf(nodes: readonly AnyNode[]): number | undefined {
  const counts = new Map<number, number>();
  for (const node of nodes) {
    if (is(node, "batchNorm")) counts.set(node.attributes.epsilon, (counts.get(node.attributes.epsilon) ?? 0) + 1);
  }
  return [...counts].toSorted(([, a], [, b]) => b - a)[0]?.[0];
}

interface Words {
  readonly kind: Kind;
  readonly lines: readonly string[];
  readonly short: readonly string[];
}

/** The text of a box that begins with this node. */
function wordsOf(node: AnyNode, epsilon: number | undefined): Words {
  if (is(node, "conv2d") || is(node, "fusedConv2d")) return convolutionWords(node);
  if (is(node, "maxPool2d") || is(node, "averagePool2d")) {
    const { window, stride } = node.attributes;
    const name = is(node, "maxPool2d") ? "max pool" : "mean pool";
    const step = stride[0] === 1 && stride[1] === 1 ? [] : [size(stride)];
    return {
      kind: "pooling",
      lines: [`${window.join("×")} ${name}`, ...step.map((each) => `stride ${each}`)],
      short: ["pool", ...step.map((each) => `/${each}`)],
    };
  }
  if (is(node, "globalAveragePool")) return { kind: "pooling", lines: ["global mean pool"], short: ["mean"] };
  if (is(node, "linear")) return { kind: "linear", lines: [`linear, ${node.shape[1]}`], short: ["linear"] };
  if (is(node, "subsample")) {
    const step = size(node.attributes.stride);
    return { kind: "other", lines: ["subsample", `stride ${step}`], short: [`/${step}`] };
  }
  if (is(node, "padChannels")) {
    const { before, after } = node.attributes;
    return { kind: "other", lines: ["zero channels", `${before} before, ${after} after`], short: ["pad"] };
  }
  if (is(node, "add")) return { kind: "join", lines: ["+"], short: ["+"] };
  if (is(node, "multiply")) return { kind: "join", lines: ["×"], short: ["×"] };
  if (is(node, "zeroPad2d")) {
    const [top, left, bottom, right] = node.attributes.padding;
    const isEven = [left, bottom, right].every((each) => each === top);
    const sides = isEven ? `${top} on each side` : `${top} ${left} ${bottom} ${right}`;
    return { kind: "other", lines: ["zero padding", sides], short: ["pad"] };
  }
  const detail = detailOf(node, epsilon);
  return { kind: node.op === "batchNorm" ? "norm" : "other", lines: [detail], short: [detail] };
}

function convolutionWords({ inputs, attributes, shape }: AnyNode): Words {
  const [, , kh = 1, kw = 1] = inputs.weight!.shape as readonly number[];
  const { stride, padding, dilation, groups } = attributes as {
    readonly stride: readonly [number, number];
    readonly padding: readonly number[];
    readonly dilation: readonly [number, number];
    readonly groups: number;
  };
  const usual = [(kh - 1) / 2, (kw - 1) / 2, (kh - 1) / 2, (kw - 1) / 2];
  const isStrided = stride[0] !== 1 || stride[1] !== 1;
  const options = [
    ...(isStrided ? [`stride ${size(stride)}`] : []),
    ...(groups === 1 ? [] : [`${groups} groups`]),
    ...(dilation[0] === 1 && dilation[1] === 1 ? [] : [`dilation ${size(dilation)}`]),
    ...(padding.join() === usual.join() ? [] : [`padding ${padding.join(" ")}`]),
  ];
  const fused = [
    ...(inputs.bias ? ["bias"] : []),
    ...(inputs.residual ? ["sum"] : []),
    ...(attributes.relu === true ? ["ReLU"] : []),
  ];
  return {
    kind: "convolution",
    lines: [`${kh}×${kw} conv, ${shape[1]}`, ...rowsOf(options), ...rowsOf(fused)],
    short: [`${kh}×${kw}`, ...(isStrided ? [`/${size(stride)}`] : [])],
  };
}

const rowsOf = (words: readonly string[]) => (words.length === 0 ? [] : [words.join(" · ")]);

/** `2`, or `2×1` where the axes differ. */
const size = ([down, across]: readonly [number, number]) => (down === across ? `${down}` : `${down}×${across}`);

/**
 * Boxes for nodes, in their order. A norm, an activation or a flatten goes into the box of the node before it, unless
 * that value is read elsewhere too. `gates` are names of groups drawn as one box, such as a squeeze-excitation.
 */
export function cellsOf(
  nodes: readonly AnyNode[],
  uses: ReadonlyMap<Value, number>,
  gates: readonly (readonly AnyNode[])[],
  epsilon: number | undefined,
): readonly Cell[] {
  const cells: { name: string; words: Words; nodes: AnyNode[]; details: string[] }[] = [];
  const cellOf = new Map<Value, (typeof cells)[number]>();
  for (const node of nodes) {
    const gate = gates.find((each) => each.includes(node));
    const data = dataInputsOf(node);
    const before = data.length === 1 ? cellOf.get(data[0]!) : undefined;
    const isDetail = node.op in details && before?.nodes.at(-1) === data[0] && uses.get(data[0]!) === 1;
    const known = gate ? cells.find((each) => each.nodes.some((other) => gate.includes(other))) : undefined;
    const cell =
      known ??
      (isDetail
        ? before!
        : { name: node.name, words: gate ? gateWords(gate) : wordsOf(node, epsilon), nodes: [], details: [] });
    if (isDetail && !gate) cell.details.push(detailOf(node, epsilon));
    if (cell.nodes.length === 0) cells.push(cell);
    cell.nodes.push(node);
    cellOf.set(node, cell);
  }
  return cells.map(({ name, words, nodes, details }) => ({
    name,
    kind: words.kind,
    lines: joinDetails(words.lines, details),
    short: words.short,
    nodes,
  }));
}

/** The details in the last line, after the text for a bias if there is one. */
function joinDetails(lines: readonly string[], details: readonly string[]): readonly string[] {
  if (details.length === 0) return lines;
  const last = lines.length > 1 && lines.at(-1) === "bias" ? ["bias"] : [];
  return [...lines.slice(0, lines.length - last.length), [...last, ...details].join(" · ")];
}

/** A squeeze-excitation, with the number of channels that it squeezes to. */
function gateWords(nodes: readonly AnyNode[]): Words {
  const channels = Math.min(...nodes.filter((node) => is(node, "conv2d")).map(({ shape }) => Number(shape[1])));
  const lines = ["squeeze-excite", ...(Number.isFinite(channels) ? [`${channels} channels`] : [])];
  return { kind: "gate", lines, short: ["SE"] };
}

/** The inputs of a node that are not parameters. */
export function dataInputsOf(node: AnyNode): readonly Value[] {
  const roles = rolesOf(node);
  return Object.entries(node.inputs).flatMap(([name, value]) => (roles[name] === "data" ? [value] : []));
}

/** `64×56×56`: the shape of one image's value. */
export function imageShape(shape: Shape): string {
  return shape.slice(1).join("×");
}
