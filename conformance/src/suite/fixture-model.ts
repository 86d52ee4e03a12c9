import {
  bind,
  fixtureInput,
  fixtureWeights,
  type Graph,
  type ModelName,
  type ResNetSpec,
  resnet,
  type Tensor,
  variants,
} from "@residual/core";

/** A model and an image for it, with no download. */
export interface FixtureModel {
  readonly graph: Graph<"image">;
  readonly inputs: { readonly image: Tensor<"float32"> };
}

/** `shape` may leave the batch open; the image then has a batch of 1. Salt "v1" gives the goldens' numbers. */
export function fixtureModel(name: ModelName, shape: readonly (number | "N")[], salt = "v1"): FixtureModel {
  const model = resnet(specOf(name), { input: shape });
  const sizes = shape.map((size) => (size === "N" ? 1 : size));
  return { graph: bind(model, fixtureWeights(model, salt)), inputs: { image: fixtureInput(salt, sizes) } };
}

/** The shape of one image: a model's own size, or `side` × `side` pixels if that is smaller. */
export function inputShapeOf(name: ModelName, side: number): readonly [number, number, number, number] {
  const { inputChannels = 3, size = 224 } = specOf(name);
  const pixels = Math.min(size, side);
  return [1, inputChannels, pixels, pixels];
}

export function specOf(name: ModelName): ResNetSpec {
  return variants[name];
}
