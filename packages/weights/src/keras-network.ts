import { type Preprocessing, UnsupportedError } from "@residual/core";
import { shown } from "@residual/kit/bytes";
import type { Weights } from "./weights.ts";

/** What the configuration of a Keras model says that neither names nor shapes of its weights show. */
export interface KerasNetwork {
  /** That of its norms; undefined where there are none. */
  readonly epsilon: number | undefined;
  /** What the last layer makes of its logits, where that is not softmax: `sigmoid`, … */
  readonly activation: string | undefined;
  readonly rescaling: Rescaling | undefined;
  /** Its convolutions, in the configuration's order; undefined where it does not say all of each. */
  readonly convolutions: readonly KerasConvolution[] | undefined;
}

/** What a convolution's shapes do not show is its step; channels and kernel tell convolutions apart. */
export interface KerasConvolution {
  readonly channels: number;
  /** Height and width, in pixels. */
  readonly kernel: readonly [number, number];
  /** Down and to the right, in pixels. */
  readonly stride: readonly [number, number];
}

/** Rescaling layers before all else, as preprocessing: the model reads bytes, and scales them itself. */
export interface Rescaling extends Required<Pick<Preprocessing, "scale" | "mean" | "std" | "channels">> {
  /** The names of the layers. */
  readonly layers: readonly string[];
  /** Height and width of the model's input, where they are one number, in pixels. */
  readonly side: number | undefined;
}

interface Layer {
  readonly kind: string;
  readonly name: string;
  readonly settings: Readonly<Record<string, unknown>>;
}

/**
 * Layers that make up a residual net, and that its parameters show. A network within a network has its layers in the
 * list of all.
 */
const residual: ReadonlySet<string> = new Set([
  "Functional",
  "Sequential",
  "Model",
  "InputLayer",
  "Conv2D",
  "BatchNormalization",
  "BatchNormalizationV1",
  "ZeroPadding2D",
  "Add",
  "ReLU",
  "Activation",
  "MaxPool2D",
  "MaxPooling2D",
  "AveragePool2D",
  "AveragePooling2D",
  "GlobalAveragePool2D",
  "GlobalAveragePooling2D",
  "Flatten",
  "Dense",
  "Softmax",
]);

/** Layers that do nothing once a model is trained. RandomCrop is none of them: it cuts out the middle. */
const inTraining = (kind: string): boolean =>
  /^(Identity|ActivityRegularization|(Spatial|Gaussian|Alpha)?Dropout(2D)?|GaussianNoise)$/.test(kind) ||
  /^(Rand(om(?!Crop)\w+|Augment)|AugMix|MixUp|CutMix)$/.test(kind);

/**
 * The network of a Keras file, by the configuration in it. Undefined for other files.
 *
 * Throws UnsupportedError that names the layer, where the network computes something that no model here does: another
 * pooling or activation, a dilation, norms of two epsilons, a layer that prepares pictures and is no `Rescaling`, an
 * unknown layer.
 */
export function kerasNetwork({ metadata, stored }: Pick<Weights, "metadata" | "stored">): KerasNetwork | undefined {
  const config = metadata["keras.config"];
  if (config === undefined) return undefined;
  let model: unknown;
  try {
    model = JSON.parse(config);
  } catch {
    return undefined; // a file whose configuration is damaged still has its weights
  }
  const layers = layersIn(model, DEEPEST);
  const file = stored ? `${stored.name}: ` : "";
  const refuse = ({ kind, name }: Layer, of = ""): never => {
    throw new UnsupportedError(
      `${file}its layer ${shown(name)} is a ${shown(kind)}${of}, which no model here computes; ` +
        "save a model without it, or one that has a layer of a residual net in its place",
    );
  };
  const firstConv = layers.findIndex(({ kind }) => kind === "Conv2D");
  const lastDense = layers.findLastIndex(({ kind }) => kind === "Dense");
  const rescalings: Layer[] = [];
  let activation: string | undefined;
  for (const [at, layer] of layers.entries()) {
    const { kind, settings } = layer;
    const isOfHead = lastDense >= 0 && at >= lastDense;
    if (kind === "Rescaling" && at < firstConv) rescalings.push(layer);
    else if (!residual.has(kind) && !inTraining(kind)) refuse(layer);
    if ([settings.dilation_rate ?? 1].flat().some((rate) => rate !== 1)) refuse(layer, " with a dilation");
    const bent = activationOf(layer);
    if (bent === "linear" || (isOfHead && bent === "softmax")) continue;
    if (isOfHead) activation = activation === undefined ? bent : `${activation}, then ${bent}`;
    else if (bent !== "relu" || kind === "Conv2D" || kind === "Dense") refuse(layer, ` with the activation ${bent}`);
    const isPlain = (setting: string) => (settings[setting] ?? 0) === 0;
    if (kind === "ReLU" && !(settings.max_value == null && isPlain("negative_slope") && isPlain("threshold")))
      refuse(layer, " with a slope, a threshold or a largest value");
  }
  const norms = layers.filter(({ kind, settings }) => kind.startsWith("BatchNorm") && isNumber(settings.epsilon));
  const [epsilon] = norms.map(({ settings }) => settings.epsilon as number);
  const other = norms.find(({ settings }) => settings.epsilon !== epsilon);
  if (other) refuse(other, ` with an epsilon of ${String(other.settings.epsilon)} after others with ${epsilon}`);
  return {
    epsilon,
    activation,
    rescaling: rescalings.length > 0 ? rescalingOf(rescalings, sideIn(layers), refuse) : undefined,
    convolutions: convolutionsIn(layers),
  };
}

function convolutionsIn(layers: readonly Layer[]): readonly KerasConvolution[] | undefined {
  const found = layers
    .filter(({ kind }) => kind === "Conv2D")
    .map(({ settings: { filters, kernel_size, strides } }) => {
      const [kernel, stride] = [pairOf(kernel_size), pairOf(strides)];
      return isNumber(filters) && kernel && stride ? { channels: filters, kernel, stride } : undefined;
    });
  return found.every((each) => each !== undefined) ? found : undefined;
}

function pairOf(value: unknown): readonly [number, number] | undefined {
  if (isNumber(value)) return [value, value];
  const [first, second, ...more] = (Array.isArray(value) ? value : []) as readonly unknown[];
  return isNumber(first) && isNumber(second) && more.length === 0 ? [first, second] : undefined;
}

/** Networks within networks, at most. */
const DEEPEST = 16;

/** A network's layers with those of the networks within it, in the order of the configuration: input first. */
function layersIn(model: unknown, depth: number): readonly Layer[] {
  const { layers } = recordOf(recordOf(model).config);
  if (!Array.isArray(layers) || depth === 0) return [];
  return layers.flatMap((layer: unknown): readonly Layer[] => {
    const { class_name: registered, config } = recordOf(layer);
    if (typeof registered !== "string") return [];
    const settings = recordOf(config);
    const kind = registered.slice(registered.lastIndexOf(">") + 1); // "package>Class" for a user's own
    return [
      { kind, name: typeof settings.name === "string" ? settings.name : kind, settings },
      ...layersIn(layer, depth - 1),
    ];
  });
}

/** The name of a layer's activation. Keras 3 writes one that is no function's name as an object. */
function activationOf({ kind, settings }: Layer): string {
  if (kind === "Softmax") return "softmax";
  if (kind === "ReLU") return "relu";
  const { activation } = settings;
  if (typeof activation === "string") return activation;
  const { class_name: own } = recordOf(activation);
  if (typeof own === "string") return own.toLowerCase();
  return activation == null ? "linear" : "of its own";
}

/** x · gain + offset for red, green and blue: (x / scale − mean) / std, with one scale where there is one gain. */
function rescalingOf(layers: readonly Layer[], side: number | undefined, refuse: (layer: Layer) => never): Rescaling {
  let gain = [1, 1, 1];
  let offset = [0, 0, 0];
  for (const layer of layers) {
    const by = threeOf(layer.settings.scale) ?? refuse(layer);
    const plus = threeOf(layer.settings.offset ?? 0) ?? refuse(layer);
    if (by.some((each) => each <= 0)) refuse(layer);
    gain = gain.map((each, i) => each * by[i]!);
    offset = offset.map((each, i) => each * by[i]! + plus[i]!);
  }
  const isOne = gain.every((each) => each === gain[0]);
  const scale = isOne ? 1 / gain[0]! : 1;
  return {
    layers: layers.map(({ name }) => name),
    side,
    scale: Math.abs(scale - Math.round(scale)) < 1e-9 * scale ? Math.round(scale) : scale, // 1 / (1 / 255) is 255
    mean: offset.map((each, i) => 0 - (isOne ? each : each / gain[i]!)),
    std: gain.map((each) => (isOne ? 1 : 1 / each)),
    channels: "rgb",
  };
}

function threeOf(value: unknown): readonly number[] | undefined {
  if (isNumber(value)) return [value, value, value];
  return Array.isArray(value) && value.length === 3 && value.every(isNumber) ? value : undefined;
}

function sideIn(layers: readonly Layer[]): number | undefined {
  const shapes = layers.map(({ settings }) => settings.batch_shape ?? settings.batch_input_shape);
  const [, height, width] = (shapes.find(Array.isArray) ?? []) as readonly unknown[];
  return Number.isSafeInteger(height) && height === width ? (height as number) : undefined;
}

const isNumber = (value: unknown): value is number => typeof value === "number" && Number.isFinite(value);

function recordOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null ? (value as Readonly<Record<string, unknown>>) : {};
}
