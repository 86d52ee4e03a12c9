import {
  type Graph,
  type ModelName,
  modelNameOf,
  modelNames,
  type ResNetSpec,
  resnet,
  type Shape,
  variants,
} from "@residual/core";
import { nearestTo } from "@residual/kit/names";
import { unknownName } from "@residual/pipeline";
import { UsageError } from "./errors.ts";

/** The name itself, if it is one of these; else a UsageError with the nearest one. */
export function oneOf<Name extends string>(name: string, names: readonly Name[], what: string, where = ""): Name {
  const found = names.find((each) => each === name);
  if (found !== undefined) return found;
  throw new UsageError(unknownName(name, names, what, where));
}

/** The message of an empty list: no name contains `text`. Names the nearest one. */
export function noneNear(text: string, names: readonly string[]): string {
  const nearest = nearestTo(text, names);
  return `no name contains this text${nearest === undefined ? "" : `; did you mean ${nearest}?`}`;
}

/** The model of a name or an alias. Throws UsageError with the nearest name if it is unknown. */
export function modelCalled(name: string): ModelName {
  return modelNameOf(name) ?? oneOf(name, modelNames, "model", "residual models");
}

/** The row of a model's name. Throws as `modelCalled` does. */
export function specNamed(name: string): ResNetSpec {
  return variants[modelCalled(name)];
}

/** A model of that name, its parameters open. */
export function modelNamed(name: string, input?: Shape): Graph<"image"> {
  return resnet(specNamed(name), { name, ...(input && { input }) });
}
