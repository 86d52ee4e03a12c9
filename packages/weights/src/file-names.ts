/** A variable of a layer, as a file names it. */
export interface FileVariable {
  readonly layer: string;
  /** The field of torchvision's module: `weight`, `bias`, `running_mean` or `running_var`. */
  readonly field: string;
  /** How axes are reordered: axis i of the result is axis order[i] of the file's tensor. */
  readonly order?: readonly number[];
}

/** Fields by the word for a variable. */
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
  ["running_std", "running_var"], // Keras 1's name for a variance
]);

/** Keras' kernels, by rank: [in, out] and HWIO. PyTorch has [out, in] and OIHW. */
const kernelOrders: ReadonlyMap<number, readonly number[]> = new Map([
  [2, [1, 0]],
  [4, [3, 2, 0, 1]],
]);

/** The variables `vars/0` and so on of a layer, in Keras 3's files. */
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

/** The layer and variable that a name stands for; undefined for one of no form. */
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
 * A layer's name in a file, and its module: `{block}` is what the group matched, `{block-1}` and `{block+1}` the number
 * before and after. A letter is its place in the alphabet, from 0.
 */
export type NamePattern = readonly [name: RegExp, module: string];

/** The module of a layer; undefined for a name that the pattern does not match. */
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
