/** A variable of a layer, as a file names it. */
export interface FileVariable {
  readonly layer: string;
  /** The name of the parameter in torchvision's module: `weight`, `bias`, `running_mean` or `running_var`. */
  readonly field: string;
  /** How axes are reordered: axis i of the result is axis order[i] of the file's tensor. */
  readonly order?: readonly number[];
}

/** Torchvision's parameter name for each name that files use. */
const fields: ReadonlyMap<string, string> = new Map([
  ["kernel", "weight"],
  ["W", "weight"],
  ["weight", "weight"],
  ["gamma", "weight"],
  ["bias", "bias"],
  ["b", "bias"],
  ["beta", "bias"],
  ["moving_mean", "running_mean"],
  ["running_mean", "running_mean"],
  ["moving_variance", "running_var"],
  ["running_var", "running_var"],
  ["running_std", "running_var"], // Keras 1's name of the variance
]);

/** Axis orders of Keras' kernels, by rank. Keras stores [in, out] and HWIO; PyTorch stores [out, in] and OIHW. */
const kernelOrders: ReadonlyMap<number, readonly number[]> = new Map([
  [2, [1, 0]],
  [4, [3, 2, 0, 1]],
]);

/** The names of a layer's variables in Keras 3 files: `vars/0` and so on. */
const varsOf = (layer: string): readonly string[] =>
  /(^|_)(bn|batch_normalization)(_\d+)?$|^bn/.test(layer)
    ? ["gamma", "beta", "moving_mean", "moving_variance"]
    : ["kernel", "bias"];

/**
 * How files write a layer and its variable:
 *
 *   layers/conv2d_3/vars/0           Keras 3: .weights.h5, .keras
 *   conv1/conv1_W_1:0                Keras 1
 *   conv1_conv/conv1_conv/kernel:0   Keras 2: .h5; conv1_conv/kernel without the repetition, in TensorFlow.js' files
 *   stage1_conv0_weight              Gluon
 *   encoder.convolution.weight       PyTorch
 */
const forms: readonly RegExp[] = [
  /(?:^|\/)(?<layer>[^/]+)\/vars\/(?<index>[0-3])$/,
  /(?:^|\/)(?<layer>[^/]+)\/\k<layer>_(?<variable>W|b|gamma|beta|running_mean|running_std)(?:_\d+)?(?::0)?$/,
  /(?:^|\/)(?<layer>[^/]+)\/(?<variable>kernel|bias|gamma|beta|moving_mean|moving_variance)(?::0)?$/,
  /^(?<layer>[^./]+)_(?<variable>weight|bias|gamma|beta|running_mean|running_var)$/,
  /^(?<layer>[^/]+)\.(?<variable>weight|bias|running_mean|running_var)$/,
];

/** The layer and the variable in a tensor's name; undefined if the name has none of these forms. */
export function variableOf(name: string, rank: number): FileVariable | undefined {
  const found = forms.map((form) => form.exec(name)?.groups).find((groups) => groups !== undefined);
  if (!found) return undefined;
  const { layer = "", index } = found;
  const variable = found.variable ?? varsOf(layer)[Number(index)];
  if (variable === undefined) return undefined;
  const isKernel = variable === "kernel" || variable === "W";
  const order = isKernel ? (kernelOrders.get(rank) ?? kernelOrders.get(4)) : undefined;
  return { layer, field: fields.get(variable)!, ...(order && { order }) };
}

/**
 * A pattern for layer names in a file, and the torchvision module that it stands for. In the module, `{block}` is the
 * text that the group `block` matches; `{block-1}` and `{block+1}` are the numbers before and after. A letter counts as
 * its position in the alphabet, from 0.
 */
export type NamePattern = readonly [name: RegExp, module: string];

/** The module of a layer; undefined if the pattern does not match the name. */
export function renderName([pattern, module]: NamePattern, name: string): string | undefined {
  const found = pattern.exec(name);
  if (!found) return undefined;
  const rendered = module.replace(/\{(\w+)([+-]1)?\}/g, (_, group: string, step?: string) => {
    const text = found.groups?.[group] ?? "";
    const value = /^[a-z]$/.test(text) ? text.charCodeAt(0) - "a".charCodeAt(0) : text;
    return step ? String(Number(value) + Number(step)) : String(value);
  });
  return name.slice(0, found.index) + rendered;
}
