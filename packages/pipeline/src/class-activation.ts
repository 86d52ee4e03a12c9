import {
  type Answer,
  type Preprocessing,
  ResidualError,
  ShapeError,
  type Tensor,
  tensorOf,
  type WorkOptions,
} from "@residual/core";
import { unknownName } from "@residual/kit/names";
import { type Area, type CamPicture, cropArea, type Prediction } from "@residual/vision";
import { checkOptions, checks } from "./check-options.ts";
import { kindOf } from "./kind-of.ts";
import { OptionError } from "./option-error.ts";
import { predictionsOf, rowsOf } from "./predictions.ts";

export interface ClassifyOptions {
  /** Aborts the work, which then rejects with AbortError. */
  readonly signal?: WorkOptions["signal"];
  /** Number of classes per picture. Default 5 */
  readonly top?: number | undefined;
}

export interface CamOptions extends ClassifyOptions {
  /** The class of the map, by index or label. Default: the likeliest class. */
  readonly class?: number | string | undefined;
}

/** A class activation map, with the data that `overlayCam` needs to draw it over its picture. */
export interface ClassActivation extends CamPicture {
  /** The class of the map. */
  readonly prediction: Prediction;
  /** The result of `classify`. */
  readonly predictions: readonly Prediction[];
  /** The picture, decoded. */
  readonly pixels: CamPicture["pixels"];
  /** The contribution of each position to the class's logit, [H, W]. The mean plus the class's bias is the logit. */
  readonly map: Tensor<"float32">;
  /** The part of the picture that the model sees, and that the map covers. */
  readonly area: Area;
}

/** The model that a map is from. */
interface Origin {
  readonly model: string;
  readonly weights: string;
  readonly preprocessing: Preprocessing;
  readonly labels: readonly string[] | undefined;
}

/**
 * Checks the options of a map, and returns the index of its class if one is given. Throws OptionError for an unknown
 * class, and for unknown options.
 */
export function checkCam(options: CamOptions, classes: number, origin: Origin): number | undefined {
  checkOptions("cam", options, { signal: checks.signal, top: checks.anything, class: checks.anything });
  checkTop(options.top);
  return options.class === undefined ? undefined : classIndex(options.class, classes, origin);
}

/** The map of a class, by default of the likeliest, from a run's logits [1, C] and maps [1, C, H, W]. */
export function activationOf(
  { logits, cam }: { readonly logits: Answer; readonly cam: Answer },
  pixels: CamPicture["pixels"],
  wanted: number | undefined,
  top: number,
  origin: Origin,
): ClassActivation {
  const all = predictionsOf(rowsOf(logits)[0]!, logits.shape[1]!, origin);
  if (all instanceof ResidualError) throw all;
  const prediction = wanted === undefined ? all[0]! : all.find(({ index }) => index === wanted)!;
  return {
    prediction,
    predictions: all.slice(0, top),
    pixels,
    map: mapOf(cam, prediction.index),
    area: cropArea(pixels, origin.preprocessing),
  };
}

/** Throws OptionError for an index out of range, and for a label of no class or of several. */
function classIndex(given: unknown, classes: number, { labels, model }: Origin): number {
  if (typeof given === "number") {
    if (Number.isInteger(given) && given >= 0 && given < classes) return given;
    throw new OptionError(`there is no class ${given}; the classes of ${model} are 0 to ${classes - 1}`);
  }
  if (typeof given !== "string") throw new OptionError(`the class is ${kindOf(given)}, expected an index or a label`);
  if (!labels) throw new OptionError(`the classes of ${model} have no names; give the class as an index`);
  const found = labels.flatMap((label, index) => (label === given ? [index] : []));
  if (found.length === 1) return found[0]!;
  if (found.length === 0) throw new OptionError(unknownName(given, labels, "class", "the labels of the model"));
  throw new OptionError(`the classes ${found.join(" and ")} are both called ${given}; give the class as an index`);
}

/** The map [H, W] of one class, from the maps [1, classes, H, W] of a picture. */
function mapOf({ shape, data }: Answer, index: number): Tensor<"float32"> {
  const [height = 0, width = 0] = shape.slice(2);
  const size = height * width;
  return tensorOf("float32", [height, width], Float32Array.from(data.subarray(index * size, (index + 1) * size)));
}

/** Throws ShapeError as `topK` does, with the option's name in the message. */
export function checkTop(top: number | undefined): void {
  const holds = top === undefined || (Number.isInteger(top) && top >= 1);
  if (!holds) throw new ShapeError("topK.K2", `\`top\` is ${kindOf(top)}, expected a whole number from 1`);
}
