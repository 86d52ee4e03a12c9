import { isTensor, type NamedSource, type Preprocessing, UnsupportedError } from "@residual/core";
import { shown } from "@residual/kit/bytes";
import { isList, isNumber } from "../json-values.ts";
import { isOp } from "../network/network.ts";
import type { Weights } from "../weights.ts";
import { readNetwork, type ScalingLayer } from "./network.ts";

/** The facts in a Keras model's configuration, without its graph. */
export interface KerasNetwork {
  /**
   * The activation after the logits, such as `sigmoid`. Undefined for softmax, and for a model without an activation.
   */
  readonly activation: string | undefined;
  readonly rescaling: Rescaling | undefined;
}

/** Preprocessing that a model's first layers compute. The model reads bytes and scales them itself. */
export interface Rescaling extends Required<Pick<Preprocessing, "scale" | "mean" | "std" | "channels">> {
  /** The names of the layers. */
  readonly layers: readonly string[];
  /** Height and width of the model's input, in pixels. Undefined where they differ. */
  readonly side: number | undefined;
}

export type WithFacts = Pick<Weights, "metadata" | "stored"> & Partial<Pick<Weights, "tensors">>;

/** `kerasNetwork` says what is found and thrown. */
export function factsOf({ metadata, stored, tensors = new Map() }: WithFacts): KerasNetwork | undefined {
  const found = stored?.tensors ?? tensors;
  const reading = readNetwork(configurationIn(metadata), found);
  if (!reading) return undefined;
  const { network, scaling, activation } = reading;
  const refuse = ({ kind, name }: ScalingLayer, why: string): never => {
    throw new UnsupportedError(
      `${stored ? `${stored.name}: ` : ""}its layer ${shown(name)} is a ${kind} ${why}, which preprocessing here ` +
        "cannot do; save a model without it, and give `preprocessing`",
    );
  };
  const [, , height, width] =
    ("nodes" in network && isOp(network.image, "image") && network.image.operation.shape) || [];
  return {
    activation: activation === "softmax" ? undefined : activation,
    rescaling:
      scaling.length > 0 ? rescalingOf(scaling, height === width ? height : undefined, found, refuse) : undefined,
  };
}

/** The configuration in a file's metadata; undefined if it is absent or damaged. */
export function configurationIn({ "keras.config": config }: Weights["metadata"]): unknown {
  try {
    return config === undefined ? undefined : JSON.parse(config);
  } catch {
    return undefined;
  }
}

/** (x − mean) / std for red, green and blue. */
interface Colours {
  readonly mean: readonly number[];
  readonly std: readonly number[];
}

type Refuse = (layer: ScalingLayer, why: string) => never;

/**
 * Combines consecutive layers to (x / scale − mean) / std. If the three values of std are equal, they become the scale.
 */
function rescalingOf(
  layers: readonly ScalingLayer[],
  side: number | undefined,
  tensors: ReadonlyMap<string, NamedSource>,
  refuse: Refuse,
): Rescaling {
  const { mean, std } = layers.reduce<Colours>(
    (before, layer) => {
      const after = ofLayer(layer, tensors, refuse);
      return {
        mean: before.mean.map((each, i) => each + after.mean[i]! * before.std[i]!),
        std: before.std.map((each, i) => each * after.std[i]!),
      };
    },
    { mean: [0, 0, 0], std: [1, 1, 1] },
  );
  const isOne = std.every((each) => each === std[0]);
  const scale = isOne ? std[0]! : 1;
  return {
    layers: layers.map(({ name }) => name),
    side,
    scale: Math.abs(scale - Math.round(scale)) < 1e-9 * scale ? Math.round(scale) : scale, // 1 / (1 / 255) is 255
    mean: mean.map((each) => each / scale),
    std: std.map((each) => each / scale),
    channels: "rgb",
  };
}

function ofLayer(layer: ScalingLayer, tensors: ReadonlyMap<string, NamedSource>, refuse: Refuse): Colours {
  const { kind, operand } = layer;
  if (kind === "Rescaling") return ofRescaling(layer, refuse);
  if (operand === undefined) return ofNorm(layer, tensors, refuse);
  const all = (mean: number, std: number): Colours => ({ mean: [mean, mean, mean], std: [std, std, std] });
  if (/subtract$/i.test(kind)) return all(operand, 1);
  if (/add$/i.test(kind)) return all(-operand, 1);
  if (operand <= 0) refuse(layer, `by ${operand}`);
  return all(0, /multiply$/i.test(kind) ? 1 / operand : operand);
}

function ofRescaling(layer: ScalingLayer, refuse: Refuse): Colours {
  const scale = threeOf(layer.settings.scale) ?? refuse(layer, "whose scale is neither a number nor three");
  const offset = threeOf(layer.settings.offset ?? 0) ?? refuse(layer, "whose offset is neither a number nor three");
  if (scale.some((each) => each <= 0)) refuse(layer, "whose scale is not positive");
  return { mean: offset.map((each, i) => (each === 0 ? 0 : -each / scale[i]!)), std: scale.map((each) => 1 / each) };
}

/**
 * The mean and variance of a Normalization layer: settings, or variables that `adapt` computed. Source:
 * keras/src/layers/preprocessing/normalization.py
 */
function ofNorm(layer: ScalingLayer, tensors: ReadonlyMap<string, NamedSource>, refuse: Refuse): Colours {
  const { invert, axis } = layer.settings;
  const axes = isList(axis) ? axis : [axis ?? -1];
  if (invert === true) refuse(layer, "with invert: true");
  if (axes.length !== 1 || (axes[0] !== -1 && axes[0] !== 3))
    refuse(layer, `over the axis ${shown(JSON.stringify(axis), 40)}`);
  const numbersOf = (variable: "mean" | "variance") => {
    const { [variable]: name } = layer.tensors;
    const tensor = name === undefined ? undefined : tensors.get(name);
    const learnt = tensor && isTensor(tensor) ? Array.from<number | bigint, number>(tensor.data, Number) : undefined;
    const set = layer.settings[variable];
    return threeOf(set == null ? learnt : set) ?? refuse(layer, `whose ${variable} is neither a number nor three`);
  };
  const [mean, variance] = [numbersOf("mean"), numbersOf("variance")];
  if (variance.some((each) => each <= 0)) refuse(layer, "whose variance is not positive");
  return { mean, std: variance.map(Math.sqrt) };
}

/** Three numbers in a list, which may be nested. A single number counts three times. */
function threeOf(value: unknown): readonly number[] | undefined {
  const numbers: readonly unknown[] = Array.isArray(value) ? value.flat(DEEPEST) : [value];
  if (!numbers.every(isNumber)) return undefined;
  if (numbers.length === 1) return [numbers[0]!, numbers[0]!, numbers[0]!];
  return numbers.length === 3 ? numbers : undefined;
}

/** The deepest nesting of lists: Keras stores a mean as [1, 1, 1, 3]. */
const DEEPEST = 4;
