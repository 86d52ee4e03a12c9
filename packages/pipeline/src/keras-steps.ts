import { type Graph, is, nodesOf, UnsupportedError } from "@residual/core";
import { shown } from "@residual/kit/bytes";
import type { KerasConvolution } from "@residual/weights";

/**
 * Refuses a Keras network whose convolutions step otherwise than a model's: weights of both have the same names and
 * shapes. Steps are compared by channels and kernel, since the configuration's names are not those of the model. Throws
 * UnsupportedError, which names the first convolution that the model has not, or not as often.
 */
export function checkSteps(convolutions: readonly KerasConvolution[] | undefined, graph: Graph, file: string): void {
  if (!convolutions) return;
  const counts = new Map<string, number>();
  for (const each of convolutionsOf(graph)) counts.set(words(each), (counts.get(words(each)) ?? 0) + 1);
  for (const each of convolutions) {
    const left = counts.get(words(each)) ?? 0;
    if (left === 0)
      throw new UnsupportedError(
        `${shown(file)}: its configuration has a convolution ${words(each)} ` +
          `where ${graph.name} has none, or not so many; ` +
          "name another model, or give weights of the network as it is published",
      );
    counts.set(words(each), left - 1);
  }
}

function convolutionsOf(graph: Graph): readonly KerasConvolution[] {
  return nodesOf(graph).flatMap((node) => {
    if (!is(node, "conv2d")) return [];
    const [channels, , ...kernel] = node.inputs.weight.shape as readonly [number, number, number, number];
    return [{ channels, kernel, stride: node.attributes.stride }];
  });
}

function words({ channels, kernel, stride }: KerasConvolution): string {
  return `${kernel.join("×")} to ${channels} channels with the stride ${stride.join("×")}`;
}
