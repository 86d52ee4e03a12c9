import { isList, recordOf } from "../json-values.ts";

/** A layer of a model's configuration. */
interface Layer {
  readonly name: string;
  /** The names of the layer's variables, in order; undefined for layers that no supported ResNet has. */
  readonly variables: readonly string[] | undefined;
}

/** The deepest nesting of models. */
const DEEPEST = 16;

/**
 * The layers of a model, by the group of `model.weights.h5` that holds the layer's variables. For example,
 * `layers/conv2d_1` holds the second Conv2D of the configuration. Source: `_save_container_state` of
 * keras/src/saving/saving_lib.py.
 */
export function layersOf(config: unknown): ReadonlyMap<string, Layer> {
  const found = new Map<string, Layer>();
  addLayers(config, "", "", found);
  return found;
}

function addLayers(model: unknown, group: string, prefix: string, into: Map<string, Layer>): void {
  const { layers } = settingsOf(model);
  if (!isList(layers) || group.split("/").length > 2 * DEEPEST) return;
  const counts = new Map<string, number>();
  for (const layer of layers) {
    const { class_name: registered } = recordOf(layer);
    const { name } = settingsOf(layer);
    if (typeof registered !== "string" || typeof name !== "string") continue;
    const kind = registered.slice(registered.lastIndexOf(">") + 1); // a user's own class is "package>Class"
    const base = toSnakeCase(kind);
    const count = counts.get(base) ?? 0;
    counts.set(base, count + 1);
    const path = `${group}layers/${base}${count === 0 ? "" : `_${count}`}`;
    into.set(path, { name: prefix + name, variables: variablesOf(kind, settingsOf(layer)) });
    addLayers(layer, `${path}/`, `${prefix}${name}/`, into);
  }
}

/** The names of a layer's variables, in Keras' order. Source: `save_own_variables` of each layer. */
function variablesOf(kind: string, settings: Readonly<Record<string, unknown>>): readonly string[] | undefined {
  const given = (setting: string, name: string) => (settings[setting] === false ? [] : [name]);
  if (/^(Conv\dD|DepthwiseConv\dD|Dense)$/.test(kind)) return ["kernel", ...given("use_bias", "bias")];
  if (kind !== "BatchNormalization") return undefined;
  return [...given("scale", "gamma"), ...given("center", "beta"), "moving_mean", "moving_variance"];
}

/**
 * The names of tensors, each with the index of its path. Tensors of known layers come first, in the order of the
 * layers. If the variables of a layer are unknown, the name is `<layer>/vars/<i>`. If the layer is unknown, the name is
 * the path.
 */
export function namesOf(
  paths: readonly (readonly string[])[],
  layers: ReadonlyMap<string, Layer>,
): readonly { readonly name: string; readonly index: number }[] {
  // Keras of TensorFlow 2.12 has another name for the group
  const groupOf = (path: readonly string[]) =>
    path
      .slice(0, -2)
      .join("/")
      .replace(/^_layer_checkpoint_dependencies\//, "layers/");
  const counts = new Map<string, number>();
  for (const path of paths) counts.set(groupOf(path), (counts.get(groupOf(path)) ?? 0) + 1);
  const places = new Map([...layers.keys()].map((group, place) => [group, place]));
  const named = paths.map((path, index) => {
    const group = groupOf(path);
    const [kind, variable] = path.slice(-2);
    const layer = kind === "vars" ? layers.get(group) : undefined;
    const isKnown = layer?.variables?.length === counts.get(group);
    const name = (isKnown && layer?.variables?.[Number(variable)]) || `vars/${variable}`;
    return { name: layer ? `${layer.name}/${name}` : path.join("/"), index, place: places.get(group) ?? layers.size };
  });
  return named.toSorted((a, b) => a.place - b.place);
}

/** Converts a class name to snake case. Source: `to_snake_case` of keras/src/utils/naming.py. */
function toSnakeCase(name: string): string {
  return name
    .replace(/\W+/g, "")
    .replace(/(.)([A-Z][a-z]+)/g, "$1_$2")
    .replace(/([a-z])([A-Z])/g, "$1_$2")
    .toLowerCase();
}

function settingsOf(layer: unknown): Readonly<Record<string, unknown>> {
  return recordOf(recordOf(layer).config);
}
