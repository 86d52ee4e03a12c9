import type { NamedSource } from "@residual/core";
import { isList, recordOf } from "../json-values.ts";
import {
  inputsUnlike,
  isOp,
  MOST_NODES,
  type Network,
  NetworkBuilder,
  type NetworkNode,
  type Operation,
  type Unlike,
  type Weight,
} from "../network/network.ts";
import { activationOf, type KerasLayer, layersIn, type Reference, referencesIn } from "./configuration.ts";
import { operations } from "./operations.ts";

/** The facts in the configuration of a Keras model. */
export interface KerasReading {
  readonly network: Network | Unlike;
  /** The layers that scale pictures before all other layers, in order. The network begins after them. */
  readonly scaling: readonly ScalingLayer[];
  /** The activation after the last layer: `softmax`, `sigmoid`. Undefined if there is none. */
  readonly activation: string | undefined;
}

/** A layer that scales pictures, with the names of the tensors of its variables. */
export interface ScalingLayer extends KerasLayer {
  /** The number in an arithmetic operation: 127.5 in `x / 127.5`. */
  readonly operand: number | undefined;
  readonly tensors: Readonly<Record<string, string>>;
}

type Tensors = ReadonlyMap<string, Pick<NamedSource, "shape">>;

/**
 * Translates a Keras model to core's ops, as `onnx/network.ts` does for an ONNX model. Undefined if the configuration
 * lists no layers, as with a user's own class. Activations after the last `Dense` are not part of the network:
 * `activation` names them. Source: keras/src/models/functional.py, and the sources of the layers.
 */
export function readNetwork(model: unknown, tensors: Tensors): KerasReading | undefined {
  return layersIn(model) && new Translator(tensors, formatIn(model)).read(model);
}

/** Layers that are the identity in a trained model. RandomCrop is not among them: it crops the centre. */
const isIdentity = (kind: string): boolean =>
  /^(Identity|ActivityRegularization|(Spatial|Gaussian|Alpha)?Dropout(2D)?|GaussianNoise)$/.test(kind) ||
  /^(Rand(om(?!Crop)\w+|Augment)|AugMix|MixUp|CutMix)$/.test(kind);

/** Arithmetic such as `x / 127.5 - 1`, by its names in Keras 3 and Keras 2. */
const isArithmetic = (kind: string): boolean =>
  /^(True)?Divide$|^(Multiply|Subtract|Add)$|^math\.(truediv|divide|multiply|subtract|add)$|^__operators__\.add$/.test(
    kind,
  );

/** The deepest nesting of models that is followed. */
const DEEPEST = 16;

/**
 * The most passes over a model's layers. Layers are listed almost in order of computation, so few passes are needed.
 */
const MOST_PASSES = 16;

/** The outputs of one application of a layer. A model within a model may have several. */
type Answers = readonly NetworkNode[];

class Translator {
  readonly #builder = new NetworkBuilder();
  readonly #tensors: Tensors;
  readonly #format: string;
  readonly #inputs: { readonly name: string; readonly node: NetworkNode }[] = [];
  readonly #scaling: ScalingLayer[] = [];
  readonly #activations = new Map<NetworkNode, string>();
  readonly #denses = new Set<NetworkNode>();
  /** Whether several layers read the image. */
  #isBranched = false;

  constructor(tensors: Tensors, format: string) {
    this.#tensors = tensors;
    this.#format = format;
  }

  read(model: unknown): KerasReading {
    const ends = this.#model(model, undefined, []).map((node) => this.#withoutActivations(node));
    const [activation] = ends.map((end) => end.activation);
    return { network: this.#network(ends.map(({ node }) => node)), scaling: this.#scaling, activation };
  }

  #network(ends: Answers): Network | Unlike {
    const { nodes } = this.#builder;
    const [image] = this.#inputs;
    if (nodes.length >= MOST_NODES) return { found: `${nodes.length} nodes`, expected: `less than ${MOST_NODES}` };
    if (!image || this.#inputs.length > 1) return inputsUnlike(this.#inputs.map(({ name }) => name));
    if (this.#isBranched && this.#scaling.length > 0)
      return { found: "pictures that several layers read", expected: `one layer, ${this.#scaling[0]!.name}` };
    return { image: image.node, nodes, outputs: ends.map((node) => ({ name: node.name, node })) };
  }

  /**
   * Returns the outputs of a model. `given` is its input; undefined for the outermost model, whose input is the image.
   */
  #model(model: unknown, given: NetworkNode | undefined, path: readonly string[]): Answers {
    const layers = layersIn(model) ?? [];
    const isRow = layers.every(({ calls }) => calls.length === 0);
    return isRow ? this.#row(layers, given, path) : this.#graph(model, layers, given, path);
  }

  #row(layers: readonly KerasLayer[], given: NetworkNode | undefined, path: readonly string[]): Answers {
    let x = given;
    for (const layer of layers) {
      x ??= this.#input(layer);
      if (layer.kind !== "InputLayer") [x] = this.#apply(layer, [x], path);
    }
    return x ? [x] : [];
  }

  #graph(
    model: unknown,
    layers: readonly KerasLayer[],
    given: NetworkNode | undefined,
    path: readonly string[],
  ): Answers {
    const answers = new Map<string, Answers[]>();
    const answerOf = ({ layer, node, output }: Reference) => {
      const known = answers.get(layer);
      return (known?.[node] ?? (known?.length === 1 ? known[0] : undefined))?.[output];
    };
    for (const layer of layers)
      if (layer.kind === "InputLayer") answers.set(layer.name, [[given ?? this.#input(layer)]]);
    let open = layers.flatMap((layer) => layer.calls.map((call, index) => ({ layer, call, index })));
    this.#noteBranches(
      open.flatMap(({ call }) => call.from),
      answerOf,
    );
    for (let pass = 0; pass < MOST_PASSES && open.length > 0; pass++)
      open = open.filter(({ layer, call, index }) => {
        const from = call.from.map(answerOf);
        if (!from.every((node) => node !== undefined)) return true;
        const found =
          call.isTraining && isOtherInTraining(layer) ? [this.#other(layer, from, " as in training")] : undefined;
        const known = answers.get(layer.name) ?? [];
        known[index] = found ?? this.#apply(layer, from, path, call.operand);
        answers.set(layer.name, known);
        return false;
      });
    const outputs = referencesIn(recordOf(recordOf(model).config).output_layers);
    return outputs.flatMap((output) => answerOf(output) ?? []);
  }

  #noteBranches(read: readonly Reference[], answerOf: (reference: Reference) => NetworkNode | undefined): void {
    const inputs = new Set(this.#inputs.map(({ node }) => node));
    const readers = read.filter((reference) => inputs.has(answerOf(reference)!));
    if (readers.length > 1) this.#isBranched = true;
  }

  #input({ name, settings }: KerasLayer): NetworkNode {
    const sizes = settings.batch_shape ?? settings.batch_input_shape;
    const shape = isList(sizes) && sizes.length === 4 ? imageShape(sizes, this.#format) : undefined;
    const isChannelsLast = this.#format === "channels_last";
    const node = this.#builder.add("InputLayer", name, { op: "image", shape, isChannelsLast }, []);
    this.#inputs.push({ name, node });
    return node;
  }

  #apply(layer: KerasLayer, from: Answers, path: readonly string[], operand?: number): Answers {
    const [x, ...more] = from;
    if (!x || this.#builder.nodes.length >= MOST_NODES) return [];
    const { kind } = layer;
    if (layersIn(layer.entry) && more.length === 0 && path.length < DEEPEST)
      return this.#model(layer.entry, x, [...path, layer.name]);
    if (isIdentity(kind)) return [x];
    if (kind === "Add" && more.length === 1) return [this.#add(layer, { op: "add" }, from)];
    const isScaling = kind === "Rescaling" || kind === "Normalization" || (isArithmetic(kind) && operand !== undefined);
    if (isOp(x, "image") && isScaling && more.length === 0) {
      this.#scaling.push({ ...layer, operand, tensors: this.#scalingTensors(layer, path) });
      return [x];
    }
    const rule = Object.hasOwn(operations, kind) ? operations[kind] : undefined;
    const weightOf = (...variables: readonly string[]) => this.#weight([...path, layer.name], variables);
    const operation = more.length === 0 ? rule?.(layer.settings, { weightOf, format: this.#format }) : undefined;
    const isActivation = kind === "Activation" || kind === "Softmax";
    const node = isActivation ? x : this.#computed(layer, operation, from);
    if (kind === "Dense") this.#denses.add(node);
    const activation = kind === "Softmax" ? "softmax" : activationOf(layer);
    return [activation === "linear" ? node : this.#activated(layer, node, activation)];
  }

  #computed(layer: KerasLayer, operation: Operation | string | undefined, from: Answers): NetworkNode {
    return typeof operation === "object" ? this.#add(layer, operation, from) : this.#other(layer, from, operation);
  }

  #activated(layer: KerasLayer, x: NetworkNode, name: string): NetworkNode {
    const isKnown = name === "relu" || name === "softmax" || name === "sigmoid";
    const node = isKnown ? this.#add(layer, { op: name }, [x], ` of ${name}`) : this.#other(layer, [x], ` of ${name}`);
    this.#activations.set(node, name);
    return node;
  }

  /** Removes the activations at the end of a model. */
  #withoutActivations(end: NetworkNode): { readonly node: NetworkNode; readonly activation: string | undefined } {
    const names: string[] = [];
    let node: NetworkNode | undefined = end;
    for (; node && this.#activations.has(node); [node] = node.inputs) names.unshift(this.#activations.get(node)!);
    if (!node || !this.#denses.has(node)) return { node: end, activation: undefined };
    return { node, activation: names.length > 0 ? names.join(", then ") : undefined };
  }

  #add(layer: KerasLayer, operation: Operation, from: Answers, more = ""): NetworkNode {
    return this.#builder.add(layer.kind + more, layer.name, operation, from);
  }

  #other(layer: KerasLayer, from: Answers, more = ""): NetworkNode {
    return this.#add(layer, { op: "other" }, from, more);
  }

  #scalingTensors({ name }: KerasLayer, path: readonly string[]): ScalingLayer["tensors"] {
    const found = (["mean", "variance"] as const).flatMap((variable, i) => {
      const weight = this.#weight([...path, name], [variable, `vars/${i}`]);
      return weight ? [[variable, weight.tensor] as const] : [];
    });
    return Object.fromEntries(found);
  }

  /**
   * A layer's tensor, by the possible names of its variable. Some files leave out part of the path in nested models.
   */
  #weight(path: readonly string[], variables: readonly string[]): Weight | undefined {
    const layers = [path, path.length > 2 ? [path[0]!, path.at(-1)!] : path, path.slice(-1)];
    const names = layers.flatMap((layer) => variables.map((variable) => [...layer, variable].join("/")));
    const tensor = names.find((name) => this.#tensors.has(name));
    return tensor === undefined ? undefined : { tensor, shape: this.#tensors.get(tensor)!.shape, changes: [] };
  }
}

/**
 * Whether a layer computes another function in training. Layers that prepare pictures do not count: every model calls
 * them with `training=True`.
 */
function isOtherInTraining({ kind, entry }: KerasLayer): boolean {
  return layersIn(entry) !== undefined || /BatchNorm|Dropout|GaussianNoise/.test(kind);
}

/** The layout of the first convolution's input: `channels_last` (Keras' default) or `channels_first`. */
function formatIn(model: unknown, depth = DEEPEST): string {
  for (const { kind, settings, entry } of layersIn(model) ?? []) {
    if (kind === "Conv2D") return typeof settings.data_format === "string" ? settings.data_format : "channels_last";
    if (depth > 0 && layersIn(entry)) return formatIn(entry, depth - 1);
  }
  return "channels_last";
}

/** The shape of the image in NCHW; sizes that are not fixed are undefined. */
function imageShape([n, ...sizes]: readonly unknown[], format: string): readonly (number | undefined)[] {
  const [a, b, c] = sizes;
  const axes = format === "channels_last" ? [n, c, a, b] : [n, a, b, c];
  return axes.map((size) => (Number.isSafeInteger(size) && Number(size) > 0 ? Number(size) : undefined));
}
