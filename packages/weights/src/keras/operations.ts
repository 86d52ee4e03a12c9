import { isList, isNumber } from "../json-values.ts";
import type { NetworkPadding, Operation, Weight } from "../network/network.ts";
import { changed } from "../network/values.ts";
import { pairOf } from "./configuration.ts";

type Settings = Readonly<Record<string, unknown>>;

/** The context of a layer's rule, besides its settings. */
interface Surroundings {
  /** The layer's tensor under the first name that the file has. */
  readonly weightOf: (...variables: readonly string[]) => Weight | undefined;
  /** The layout of the network's images: `channels_last` or `channels_first`. */
  readonly format: string;
}

/**
 * Translates a layer without its activation. A text gives the reason if core has no such op; it follows the layer's
 * class in the message.
 */
type Rule = (settings: Settings, surroundings: Surroundings) => Operation | string | undefined;

const NO_NUMBERS = " without its numbers in the file";

const reshape: Rule = () => ({ op: "reshape" });
const pooled: Rule = (settings, { format }) =>
  isInFormat(settings, format) ? { op: "globalAveragePool" } : otherFormat(settings);
const norm: Rule = ({ epsilon = 1e-3, axis = -1, scale = true, center = true }, { weightOf, format }) => {
  const axes = isList(axis) ? axis : [axis];
  const channels = format === "channels_last" ? [-1, 3] : [1, -3];
  if (axes.length !== 1 || !channels.includes(Number(axes[0]))) return ` over the axis ${axes.join(", ")}`;
  const [mean, variance] = [weightOf("moving_mean"), weightOf("moving_variance")];
  const [gamma, beta] = [weightOf("gamma"), weightOf("beta")];
  if (!mean || !variance || (scale !== false && !gamma) || (center !== false && !beta)) return NO_NUMBERS;
  if (!isNumber(epsilon)) return " without an epsilon";
  return { op: "batchNorm", scale: gamma, shift: beta, mean, variance, epsilon };
};
const pool =
  (op: "maxPool2d" | "averagePool2d"): Rule =>
  (settings, { format }) => {
    if (!isInFormat(settings, format)) return otherFormat(settings);
    const window = pairOf(settings.pool_size ?? 2);
    const [stride, padding] = [settings.strides == null ? window : pairOf(settings.strides), paddingOf(settings)];
    if (!window || !stride || !padding) return " of an unknown window";
    return { op, window, stride, padding, ceil: false, countsPadding: false };
  };

/** The rules by class of the layer. Source: keras/src/layers. */
export const operations: { readonly [kind: string]: Rule } = {
  Conv2D(settings, { weightOf, format }) {
    const kernel = weightOf("kernel");
    const bias = settings.use_bias === false ? undefined : weightOf("bias");
    if (!kernel || (settings.use_bias !== false && !bias)) return NO_NUMBERS;
    if (!isInFormat(settings, format)) return otherFormat(settings);
    const [stride, dilation] = [pairOf(settings.strides ?? 1), pairOf(settings.dilation_rate ?? 1)];
    const weight = kernel.shape.length === 4 ? changed(kernel, { order: [3, 2, 0, 1] }) : undefined;
    const padding = paddingOf(settings);
    const groups = settings.groups ?? 1;
    if (!stride || !dilation || !weight || !padding || !isNumber(groups)) return " of unknown settings";
    return { op: "conv2d", weight, ...(bias && { bias }), stride, dilation, padding, groups };
  },
  Dense(settings, { weightOf }) {
    const kernel = weightOf("kernel");
    const bias = settings.use_bias === false ? undefined : weightOf("bias");
    const weight = kernel?.shape.length === 2 ? changed(kernel, { order: [1, 0] }) : undefined;
    if (!weight || (settings.use_bias !== false && !bias)) return NO_NUMBERS;
    return { op: "linear", weight, ...(bias && { bias }) };
  },
  BatchNormalization: norm,
  BatchNormalizationV1: norm,
  SyncBatchNormalization: norm,
  ReLU({ max_value: most, negative_slope: slope, threshold }) {
    const isPlain = most == null && (slope ?? 0) === 0 && (threshold ?? 0) === 0;
    return isPlain ? { op: "relu" } : " with a slope, a threshold or a largest value";
  },
  ZeroPadding2D(settings, { format }) {
    const { padding = 1 } = settings;
    const [rows, columns] = isList(padding) ? padding : [padding, padding];
    const [down, right] = [pairOf(rows), pairOf(columns)];
    if (!isInFormat(settings, format)) return otherFormat(settings);
    if (!down || !right) return " of unknown sizes";
    return { op: "pad2d", padding: [down[0], right[0], down[1], right[1]], value: 0 };
  },
  MaxPooling2D: pool("maxPool2d"),
  MaxPool2D: pool("maxPool2d"),
  AveragePooling2D: pool("averagePool2d"),
  AveragePool2D: pool("averagePool2d"),
  GlobalAveragePooling2D: pooled,
  GlobalAveragePool2D: pooled,
  Flatten: reshape,
  Reshape: reshape,
};

function isInFormat({ data_format: found = "channels_last" }: Settings, format: string): boolean {
  return (found ?? "channels_last") === format;
}

function otherFormat({ data_format: found }: Settings): string {
  return ` of ${String(found)}`;
}

function paddingOf({ padding = "valid" }: Settings): NetworkPadding | undefined {
  if (padding === "same") return "same";
  return padding === "valid" ? [0, 0, 0, 0] : undefined;
}
