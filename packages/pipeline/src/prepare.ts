import {
  bind,
  type Graph,
  modelNameOf,
  type Preprocessing,
  type ResNetSpec,
  resnet,
  type Shape,
  variants,
  WeightsError,
} from "@residual/core";
import { shown } from "@residual/kit/bytes";
import { Weights } from "@residual/weights";
import { type Identified, identify, type PrepareOptions } from "./identify.ts";
import { OptionError } from "./option-error.ts";

/** A model bound to its weights. */
export interface Prepared extends Identified {
  readonly graph: Graph<"image">;
}

/** Identifies weights and model, and binds the two. Throws errors of `identify` and `bindModel`. */
export async function prepare(options: PrepareOptions): Promise<Prepared> {
  const prepared = await bindModel(await identify(options));
  for (const note of prepared.notes) options.onWarning?.(note);
  return prepared;
}

/**
 * Binds an identified model, with another input if one is given. Throws errors of `resnet` and `bind`. For weights of
 * another model the WeightsError names that model.
 */
export async function bindModel(identified: Identified, input?: Shape): Promise<Prepared> {
  const { model: name, spec } = identified;
  const open = input ? resnet(spec, { name, input }) : identified.open;
  try {
    return { ...identified, graph: bind(open, identified) };
  } catch (error) {
    throw error instanceof WeightsError ? await withOtherModels(error, identified) : error;
  }
}

/** The error, with the models that the weights fit, and the model in their metadata. */
async function withOtherModels(
  error: WeightsError,
  { model, recordedModel, tensors }: Identified,
): Promise<WeightsError> {
  const { modelsFitting } = await import("./fitting.ts");
  const fitting = modelsFitting(new Weights(tensors));
  const known = modelNameOf(model) ?? model;
  if (fitting.some((name) => name === known)) return error;
  const recorded = recordedModel === undefined ? undefined : modelNameOf(recordedModel);
  const isSaid = recordedModel !== undefined && recorded !== known;
  const fitsSaid = fitting.some((name) => name === recorded);
  const hints = [
    ...(fitting.length > 0 && !fitsSaid ? [`fit ${fitting.slice(0, 3).join(" or ")}`] : []),
    ...(isSaid ? [`are for ${shown(recordedModel)}`] : []),
  ];
  return hints.length > 0 ? new WeightsError(`these weights ${hints.join(", and ")}: ${error.message}`) : error;
}

/**
 * For commands that need classes: throws OptionError for a model without logits, WeightsError if the weights lack the
 * last layer.
 */
export function checkLogits<In extends string, Names extends string>(
  graph: Graph<In, string, Names>,
): asserts graph is Graph<In, "logits", Names> {
  if ("logits" in graph.outputs) return;
  const known = modelNameOf(graph.name);
  const row: ResNetSpec | undefined = known && variants[known];
  if (row && row.classes !== 0)
    throw new WeightsError(
      `the weights lack the last layer of ${graph.name}, and so tell no classes; give weights that have it, or take ` +
        `the features: residual run ${graph.name} --weights FILE --input PICTURE --outputs output --out FILE`,
    );
  throw new OptionError(`${graph.name} has no logits to predict a class from; choose another model`);
}

/**
 * Throws OptionError for a network that does not predict one class out of several: it has no logits, one output, or
 * logits that are not for softmax.
 */
export function checkClasses({
  graph,
  activation,
  model,
  weights,
}: Pick<Prepared, "graph" | "activation" | "model" | "weights">): void {
  checkLogits(graph);
  const isOne = graph.outputs.logits!.shape[1] === 1;
  if (!isOne && activation === undefined) return;
  const end = activation === undefined ? "" : `${activation === "linear" ? "nothing" : activation} after its logits`;
  const found = isOne ? `one output${end && `, with ${end}`}` : end;
  throw new OptionError(
    `${model} with ${shown(weights)} has ${found}, and no softmax over several classes; take its logits: ` +
      `residual run ${model} --weights FILE --input PICTURE --outputs logits --out FILE`,
  );
}

/**
 * The preprocessing of a model whose input is a picture. Throws OptionError if it is unknown, and if the model's number
 * of channels is not a picture's.
 */
export function knownPreprocessing({
  model,
  preprocessing,
  spec: { inputChannels = 3 } = {},
}: Pick<Identified, "model" | "preprocessing"> & { readonly spec?: Pick<ResNetSpec, "inputChannels"> }): Preprocessing {
  if (inputChannels !== 3)
    throw new OptionError(
      `${model} reads images of ${inputChannels === 1 ? "1 channel" : `${inputChannels} channels`}, ` +
        "and a picture has 3; run the model on a tensor",
    );
  if (preprocessing) return preprocessing;
  throw new OptionError(
    `neither ${model} nor its weights say how a picture becomes its input; ` +
      "give `resize`, `crop`, `interpolation`, `scale`, `mean` and `std`",
  );
}
