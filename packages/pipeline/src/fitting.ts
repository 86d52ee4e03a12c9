import { modelNames, parametersOf, type ResNetSpec, resnet, variants, WeightsError } from "@residual/core";
import { toTorchvision, type Weights } from "@residual/weights";

/** Parameters of a block: at least two convolutions and two norms, at most what a squeezed bottleneck has. */
const PER_BLOCK = { least: 10, most: 30 } as const;

/** The models whose parameters have the names and shapes of these weights, but for the number of classes. */
export function modelsFitting(weights: Weights): readonly string[] {
  const count = weights.tensors.size;
  return modelNames.filter((name) => {
    const row: ResNetSpec = variants[name];
    const blocks = row.depths.reduce((sum, depth) => sum + depth, 0);
    // counters and other tensors come on top: a deep net that cannot fit is not built
    if (count < blocks * PER_BLOCK.least || count > 2 * (blocks + 1) * PER_BLOCK.most) return false;
    return fits(weights, row);
  });
}

function fits(weights: Weights, row: ResNetSpec): boolean {
  const graph = resnet(row);
  const wanted = new Map(parametersOf(graph).map(({ name, shape }) => [name, shape]));
  try {
    const { tensors } = toTorchvision(weights, graph);
    const isCounter = (name: string) => name.endsWith("num_batches_tracked");
    return (
      [...tensors.keys()].every((name) => wanted.has(name) || isCounter(name)) &&
      [...wanted].every(([name, shape]) => {
        const isHead = name.startsWith("fc.");
        return (
          tensors
            .get(name)
            ?.shape.slice(isHead ? 1 : 0)
            .join() === shape.slice(isHead ? 1 : 0).join()
        );
      })
    );
  } catch (error) {
    if (error instanceof WeightsError) return false;
    throw error;
  }
}
