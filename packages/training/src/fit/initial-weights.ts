import {
  type FixtureRole,
  fixtureRolesOf,
  type Graph,
  parametersOf,
  sizeOf,
  type Tensor,
  tensorOf,
  UnsupportedError,
} from "@residual/core";
import { between, normal, type Random, randomOf } from "../random.ts";

/**
 * Random weights to train a network from: a pure function of the graph's parameters and the seed. Convolutions have a
 * normal distribution of variance 2 / (outputs · window), linear layers and biases a uniform one up to 1 / √inputs.
 * Norms begin as the identity. Source: torchvision, models/resnet.py (He et al. 2015), and PyTorch, nn.Linear.
 *
 * `only` limits the result to some parameters. Throws UnsupportedError for a parameter whose use is not known.
 */
export function initialWeights(
  graph: Graph,
  seed: number,
  only: (name: string) => boolean = () => true,
): { readonly tensors: ReadonlyMap<string, Tensor<"float32">> } {
  const roles = fixtureRolesOf(graph);
  const parameters = parametersOf(graph);
  const shapes = new Map(parameters.map(({ name, shape }) => [name, shape]));
  const tensors = new Map<string, Tensor<"float32">>();
  for (const [index, { name, shape }] of parameters.entries()) {
    const role = roles.get(name);
    if (!only(name)) continue;
    if (!role)
      throw new UnsupportedError(`${graph.name}: ${name} is read by no op whose weights have a known beginning`);
    const weight = shapes.get(name.replace(/\.bias$/, ".weight")) ?? shape;
    const draw = drawOf(role, weight, randomOf(seed, "weights", index));
    tensors.set(name, tensorOf("float32", shape, Float32Array.from({ length: sizeOf(shape) }, draw)));
  }
  return { tensors };
}

/** `weight` is the shape of the layer's weight, for its bias too. */
function drawOf(role: FixtureRole, [outputs = 1, ...inputs]: readonly number[], random: Random): () => number {
  const bound = 1 / Math.sqrt(sizeOf(inputs));
  switch (role) {
    case "conv_w":
      return () => normal(random) * Math.sqrt(2 / (outputs * sizeOf(inputs.slice(1))));
    case "conv_b":
    case "fc_w":
    case "fc_b":
      return () => between(random, -bound, bound);
    case "bn_gamma":
    case "bn_gamma_last":
    case "bn_var":
      return () => 1;
    case "bn_beta":
    case "bn_mean":
      return () => 0;
  }
}
