import { bind, type Graph, type Preprocessing, resnet, type Shape } from "@residual/core";
import { type Identified, identify, type PrepareOptions } from "./identify.ts";
import { OptionError } from "./option-error.ts";

/** A model bound to its weights. */
export interface Prepared extends Identified {
  readonly graph: Graph<"image">;
}

/** Identifies weights and model, and binds the two. Throws what `identify` and `bindModel` throw. */
export async function prepare(options: PrepareOptions): Promise<Prepared> {
  return bindModel(await identify(options));
}

/** Binds an identified model, for another input where one is given. Throws what `resnet` and `bind` throw. */
export function bindModel(identified: Identified, input?: Shape): Prepared {
  const { model: name, spec } = identified;
  const open = input ? resnet(spec, { name, input }) : identified.open;
  return { ...identified, graph: bind(open, identified) };
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
    `neither ${model} nor its weights say how a picture becomes its input; ` +
      "give `resize`, `crop`, `interpolation`, `scale`, `mean` and `std`",
  );
}
