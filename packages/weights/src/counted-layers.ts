import { type AnyNode, type Graph, inputsOf, nodesOf } from "@residual/core";

/** Kinds of layers that files number. */
type Kind = "conv" | "norm" | "dense";

const kinds: { readonly [op: string]: Kind } = { conv2d: "conv", batchNorm: "norm", linear: "dense" };

/** Patterns of layer names, with the kind of the layer: Keras `conv2d_3`, Gluon `resnetv20_stage1_conv3`. */
const words: readonly (readonly [RegExp, Kind])[] = [
  [/^conv2d(?:_(?<index>\d+))?$/, "conv"],
  [/^batch_normalization(?:_(?<index>\d+))?$/, "norm"],
  [/^dense(?:_(?<index>\d+))?$/, "dense"],
  [/^(?:\w+?_)??(?:stage(?<stage>\d)_)?conv(?<index>\d+)$/, "conv"],
  [/^(?:\w+?_)??(?:stage(?<stage>\d)_)?batchnorm(?<index>\d+)$/, "norm"],
  [/^(?:\w+?_)??dense(?<index>\d+)$/, "dense"],
];

/**
 * The modules of numbered layers. Layers are paired in order, for each kind and stage: the first convolution of the
 * file is the first convolution of the graph. The file's first number does not matter.
 *
 * "as built" is the order of the graph's parameters: a block's shortcut comes after the block. "by depth" is the order
 * of Keras' `model.layers`: layers farther from the output come first; at equal distance the shortcut comes first.
 */
export function countedLayers(
  names: ReadonlySet<string>,
  graph: Graph,
  order: "as built" | "by depth",
): ReadonlyMap<string, string> {
  const counted = new Map<string, { readonly name: string; readonly index: number }[]>();
  for (const name of names) {
    const [pattern, kind] = words.find(([word]) => word.test(name)) ?? [];
    const { stage = "", index = "0" } = pattern?.exec(name)?.groups ?? {};
    if (!kind) continue;
    const key = `${kind}/${stage}`;
    counted.set(key, [...(counted.get(key) ?? []), { name, index: Number(index) }]);
  }
  const hasStages = [...counted.keys()].some((key) => !key.endsWith("/"));
  const modules = new Map<string, string[]>();
  for (const { kind, module } of layersOf(graph, order)) {
    const stage = hasStages ? (/^layer(\d+)\./.exec(module)?.[1] ?? "") : "";
    const key = `${kind}/${stage}`;
    modules.set(key, [...(modules.get(key) ?? []), module]);
  }
  const found = new Map<string, string>();
  for (const [key, layers] of counted) {
    const own = modules.get(key) ?? [];
    const sorted = layers.toSorted((a, b) => a.index - b.index);
    // extra layers belong to another network, or to a head with more layers
    for (const [i, { name }] of sorted.slice(0, own.length).entries()) found.set(name, own[i]!);
  }
  return found;
}

interface Layer {
  readonly kind: Kind;
  readonly module: string;
  readonly depth: number;
}

function layersOf(graph: Graph, order: "as built" | "by depth"): readonly Layer[] {
  const depths = depthsOf(graph);
  const layers = nodesOf(graph).flatMap((node): Layer[] => {
    const kind = kinds[node.op];
    const parameter = node.inputs.weight ?? node.inputs.scale;
    if (!kind || parameter?.kind !== "parameter") return [];
    return [{ kind, module: parameter.name.replace(/\.weight$/, ""), depth: depths.get(node)! }];
  });
  if (order === "as built") return layers;
  const isShortcut = ({ module }: Layer) => /\.(downsample|shortcut)/.test(module);
  return layers.toSorted((a, b) => b.depth - a.depth || Number(isShortcut(b)) - Number(isShortcut(a)));
}

/** The length of the longest path from each node to the output, in nodes. */
function depthsOf(graph: Graph): ReadonlyMap<AnyNode, number> {
  const depths = new Map<AnyNode, number>();
  for (const node of nodesOf(graph).toReversed()) {
    const depth = depths.get(node) ?? 0;
    depths.set(node, depth);
    for (const input of inputsOf(node))
      if (input.kind === "node") depths.set(input, Math.max(depths.get(input) ?? 0, depth + 1));
  }
  return depths;
}
