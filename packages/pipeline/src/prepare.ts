import { bind, type Graph, type Preprocessing, resnet, type Shape } from "@residual/core";
import { type Identified, type IdentifyOptions, identify } from "./identify.ts";
import { OptionError } from "./option-error.ts";

export interface PrepareOptions extends IdentifyOptions {
  /** [batch, channels, height, width]; an open batch of the preprocessing's crop where not given. */
  readonly input?: Shape | undefined;
}

/** A model bound to its weights. */
export interface Prepared extends Identified {
  readonly graph: Graph<"image">;
}

/** Identifies weights and model, and binds the two. Throws what `identify` and `bindModel` throw. */
export async function prepare(options: PrepareOptions): Promise<Prepared> {
  return bindModel(await identify(options), options.input);
}

/** The graph of an identified model for this input, its parameters bound. Throws what `resnet` and `bind` throw. */
export function bindModel(identified: Identified, input: Shape = inputOf(identified)): Prepared {
  const { model, spec } = identified;
  return { ...identified, graph: bind(resnet(spec, { name: model, input }), identified) };
}

/** An open batch of what the preprocessing makes of pictures; a model that reads no pictures has a size of its own. */
function inputOf({ spec: { inputChannels = 3, size = 224 }, preprocessing }: Identified): Shape {
  const side = inputChannels === 3 && preprocessing ? preprocessing.crop : size;
  return ["N", inputChannels, side, side];
}

/** Throws OptionError for a model that ends before its classes, where they are what is asked for. */
export function checkLogits({ name, outputs }: Graph): void {
  if (!("logits" in outputs))
    throw new OptionError(`${name} has no logits to predict a class from; choose another model`);
}

/** The preprocessing of a model whose input is a picture. Throws OptionError where it is not known. */
export function knownPreprocessing({
  model,
  preprocessing,
}: Pick<Identified, "model" | "preprocessing">): Preprocessing {
  if (preprocessing) return preprocessing;
  throw new OptionError(
    `neither ${model} nor its weights say how a picture becomes its input; give \`resize\`, \`crop\`, \`interpolation\`, \`scale\`, \`mean\` and \`std\``,
  );
}
