import { FormatError } from "@residual/core";
import { Hdf5File, type Hdf5Object } from "../hdf5/file.ts";
import { TensorsOfHdf5 } from "../hdf5/tensors.ts";
import { quote } from "../json-reader.ts";
import type { FormatReader } from "../layout.ts";
import type { OpenFile } from "../open-file.ts";
import type { Refuse } from "../zip-directory.ts";

/**
 * The layout of Keras' HDF5 files. In the legacy format (`.h5`, weights or whole models) tensors are called
 * `<layer>/<variable>`. In Keras 3's format (`.weights.h5`) they are called by their path (`layers/conv2d/vars/0`).
 * Kernels keep Keras' order: [height, width, in, out], and [in, out] in dense layers. The optimizer's tensors are left
 * out, with a note. The metadata are Keras' version and the model's configuration, if present.
 *
 * Throws FormatError for a damaged file, UnsupportedError for content that Keras does not write.
 */
export const h5Layout: FormatReader = async (file) => {
  const { hdf5, root, refuse } = await openH5(file);
  const tensors = new TensorsOfHdf5(hdf5);
  const weights = (await root.find(["model_weights"])) ?? root;
  const layers = await splitTexts(weights, "layer_names");
  if (layers) await addLayers(tensors, weights, layers, refuse);
  else for await (const { path, object } of datasetsIn(root, refuse)) await tensors.add(path.join("/"), object);
  const [version] = (await weights.texts("keras_version")) ?? [];
  const [config] = (await root.texts("model_config")) ?? [];
  return tensors.layout(kerasMetadata(version, config), await notesOn(root));
};

export async function openH5(
  file: OpenFile,
): Promise<{ readonly hdf5: Hdf5File; readonly root: Hdf5Object; readonly refuse: Refuse }> {
  const refuse: Refuse = (problem) => {
    throw new FormatError(`${file.name}: ${problem}; the HDF5 file is damaged: download or save it again`);
  };
  const { file: hdf5, root } = await Hdf5File.open(file, refuse);
  return { hdf5, root, refuse };
}

/** The file's metadata about its model, under the keys that Residual uses. */
export function kerasMetadata(
  version: string | undefined,
  config: string | undefined,
): Readonly<Record<string, string>> {
  return {
    ...(version !== undefined && { "keras.version": version }),
    ...(config !== undefined && { "keras.config": config }),
  };
}

/** The optimizer's groups in Keras 3's files and older files. */
const optimizers = ["optimizer", "optimizer_weights"];

/** Notes on the parts of a file that are not read. */
export async function notesOn(root: Hdf5Object): Promise<readonly string[]> {
  const names = new Set(await root.names());
  return optimizers.some((name) => names.has(name)) ? ["left out the optimizer's numbers"] : [];
}

/** The deepest nesting of groups. A model within a model adds four levels. */
const DEEPEST = 32;

export interface FoundDataset {
  readonly path: readonly string[];
  readonly object: Hdf5Object;
}

/** All datasets except the optimizer's. Calls `refuse` if groups form a cycle, or are nested too deeply. */
export async function* datasetsIn(root: Hdf5Object, refuse: Refuse): AsyncGenerator<FoundDataset> {
  const seen = new Set([root]);
  const stack: FoundDataset[] = [{ path: [], object: root }];
  for (let found = stack.pop(); found; found = stack.pop()) {
    const { path, object } = found;
    if (object.dataset()) {
      yield found;
      continue;
    }
    if (path.length === DEEPEST) refuse(`its groups are more than ${DEEPEST} deep`);
    const names = await object.names();
    for (const name of names.toReversed()) {
      if (path.length === 0 && optimizers.includes(name)) continue;
      const member = await object.find([name]);
      if (!member || seen.has(member))
        return refuse(`${quote([...path, name].join("/"))} has two names, or lies in itself`);
      seen.add(member);
      stack.push({ path: [...path, name], object: member });
    }
  }
}

/** Adds the tensors of the legacy format: a root group lists its layers, and each layer's group lists its weights. */
async function addLayers(
  tensors: TensorsOfHdf5,
  weights: Hdf5Object,
  layers: readonly string[],
  refuse: Refuse,
): Promise<void> {
  const top = "top_level_model_weights"; // weights that do not belong to a layer
  const groups = (await weights.names()).includes(top) ? [...layers, top] : layers;
  for (const layer of groups) {
    const group = (await weights.find(layer.split("/"))) ?? refuse(`it lacks the layer ${quote(layer)}`);
    const names = (await splitTexts(group, "weight_names")) ?? refuse(`layer ${quote(layer)} lacks weight_names`);
    const variables = variablesOf(names);
    for (const [i, name] of names.entries()) {
      const object = (await group.find(name.split("/"))) ?? refuse(`layer ${quote(layer)} lacks ${quote(name)}`);
      await tensors.add(`${layer}/${variables[i]}`, object);
    }
  }
}

/**
 * The names of a layer's variables: `kernel` for `conv1/kernel:0`, and for Keras 3's `sequential/conv1/kernel`. If the
 * layer is a model, the name includes the inner layer: `conv1/kernel`.
 */
function variablesOf(names: readonly string[]): readonly string[] {
  const paths = names.map((name) => name.replace(/:\d+$/, "").split("/"));
  const owners = new Set(paths.map((path) => path.at(-2)));
  const ends = paths.map((path) => path.slice(owners.size > 1 ? -2 : -1).join("/"));
  return new Set(ends).size === ends.length ? ends : paths.map((path) => path.join("/"));
}

/**
 * The texts of an attribute. Keras splits an attribute that exceeds the limit of an object's header: `layer_names0`,
 * `layer_names1`, and so on.
 */
async function splitTexts(object: Hdf5Object, name: string): Promise<readonly string[] | undefined> {
  const whole = await object.texts(name);
  if (whole) return whole;
  const parts: (readonly string[])[] = [];
  for (let part = await object.texts(`${name}0`); part; part = await object.texts(`${name}${parts.length}`))
    parts.push(part);
  return parts.length === 0 ? undefined : parts.flat();
}
