import { isList, isNumber, recordOf } from "../json-values.ts";

/** A layer of a model's configuration. */
export interface KerasLayer {
  /** The layer's class, without the package under which a user registered it. */
  readonly kind: string;
  readonly name: string;
  readonly settings: Readonly<Record<string, unknown>>;
  /** The layer's applications, in order. Empty in a Sequential model, whose layers follow one another. */
  readonly calls: readonly Call[];
  /** The layer's complete entry in the configuration. If the layer is a model, the entry lists its layers. */
  readonly entry: unknown;
}

/** One application of a layer. */
interface Call {
  readonly from: readonly Reference[];
  /** Whether the call passes `training=True`. The layer then computes as in training, even in prediction. */
  readonly isTraining: boolean;
  /** The number in an operation on a tensor and a number: 127.5 in `x / 127.5`. */
  readonly operand: number | undefined;
}

/** An output of a layer. `node` is the index of the layer's application. */
export interface Reference {
  readonly layer: string;
  readonly node: number;
  readonly output: number;
}

/** The layers of a model, in the configuration's order; undefined if the configuration lists none. */
export function layersIn(model: unknown): readonly KerasLayer[] | undefined {
  const { config } = recordOf(model);
  const layers = isList(config) ? config : recordOf(config).layers;
  return isList(layers) ? layers.flatMap((layer) => layerOf(layer) ?? []) : undefined;
}

function layerOf(entry: unknown): KerasLayer | undefined {
  const { class_name: registered, config, inbound_nodes: nodes, name } = recordOf(entry);
  if (typeof registered !== "string") return undefined;
  const settings = recordOf(config);
  const { function: called } = settings;
  const isFunction = registered === "TFOpLambda" && typeof called === "string"; // Keras 2: `x / 2` is "math.truediv"
  const kind = isFunction ? called : registered.slice(registered.lastIndexOf(">") + 1); // "package>Class", a user's own
  const own = [settings.name, name].find((each) => typeof each === "string");
  return { kind, name: own ?? kind, settings, calls: isList(nodes) ? nodes.map(callOf) : [], entry };
}

/**
 * Reads a call. Keras 3 writes `{ args, kwargs }` with tensors that name their source. Keras 2 writes a list of
 * `[layer, node, output, kwargs]`.
 */
function callOf(node: unknown): Call {
  if (!isList(node)) {
    const { args, kwargs } = recordOf(node);
    const from = [...referencesIn(args, DEEPEST), ...referencesIn(kwargs, DEEPEST)];
    const [, operand] = isList(args) && args.length === 2 ? args : [];
    return { from, isTraining: recordOf(kwargs).training === true, operand: isNumber(operand) ? operand : undefined };
  }
  const applied = typeof node[0] === "string" ? [node] : node;
  const given = applied.map((each) => recordOf(isList(each) ? each[3] : undefined));
  const [operand] = given.map(({ y }) => y).filter(isNumber);
  return { from: referencesIn(node, DEEPEST), isTraining: given.some(({ training }) => training === true), operand };
}

/** The deepest nesting of lists that is read. */
const DEEPEST = 8;

/** The references in a value of a configuration: tensors of Keras 3, or `[layer, node, output]`, alone or in lists. */
export function referencesIn(value: unknown, depth = DEEPEST): readonly Reference[] {
  if (depth === 0) return [];
  if (isList(value)) {
    const [layer, node, output] = value;
    if (typeof layer === "string" && typeof node === "number") return [{ layer, node, output: Number(output ?? 0) }];
    return value.flatMap((each) => referencesIn(each, depth - 1));
  }
  const { class_name: kind, config } = recordOf(value);
  if (kind === "__keras_tensor__") return referencesIn(recordOf(config).keras_history, depth - 1);
  return Object.values(recordOf(value)).flatMap((each) =>
    typeof each === "object" ? referencesIn(each, depth - 1) : [],
  );
}

/**
 * The name of a layer's activation; `linear` if the layer has none. Keras 3 writes an activation layer as an object.
 */
export function activationOf({ settings: { activation } }: KerasLayer): string {
  if (typeof activation === "string") return activation;
  const { class_name: own, config } = recordOf(activation);
  if (own === "function" && typeof config === "string") return config;
  if (typeof own === "string") return own.toLowerCase();
  return activation == null ? "linear" : "of its own";
}

/** Two numbers, or one number for both. */
export function pairOf(value: unknown): readonly [number, number] | undefined {
  if (isNumber(value)) return [value, value];
  const [first, second, ...more] = isList(value) ? value : [];
  return isNumber(first) && isNumber(second) && more.length === 0 ? [first, second] : undefined;
}
