import { type Graph, modelNameOf, modelNames, type ResNetSpec, resnet, type Shape, variants } from "@residual/core";
import { unknownName } from "@residual/pipeline";
import { UsageError } from "./errors.ts";

/** The name itself, if it is one of these; else a UsageError with the nearest one. */
export function oneOf<Name extends string>(name: string, names: readonly Name[], what: string, where = ""): Name {
  const found = names.find((each) => each === name);
  if (found !== undefined) return found;
  throw new UsageError(unknownName(name, names, what, where));
}

/** The row of a model's name. Throws UsageError with the nearest name, where there is none of that name. */
export function specNamed(name: string): ResNetSpec {
  return variants[modelNameOf(name) ?? oneOf(name, modelNames, "model", "residual models")];
}

/** A model of that name, its parameters open. */
export function modelNamed(name: string, input?: Shape): Graph<"image"> {
  return resnet(specNamed(name), { name, ...(input && { input }) });
}
