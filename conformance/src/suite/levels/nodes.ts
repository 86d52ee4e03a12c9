import { formatShape, type ModelName, nodesOf, optimize, type Pass } from "@residual/core";
import type { Check } from "../../report/types.ts";
import { checkOf } from "../check.ts";
import { fixtureModel, inputShapeOf } from "../fixture-model.ts";
import { runNodes } from "../nodes.ts";
import { type BackendUnderTest, counted, type Task } from "../task.ts";

/** A graph as built, and as optimized for a backend. Fused groups are nodes too, and run as the backend fuses them. */
const forms: { readonly [form: string]: Pass } = { "as built": (graph) => graph, optimized: optimize };

/**
 * Checks each node of each model alone. The image has `side` × `side` pixels, or the model's own size if that is
 * smaller.
 */
export function nodeTasks(models: readonly ModelName[], side: number): readonly Task[] {
  return models.flatMap((model) => {
    const shape = inputShapeOf(model, side);
    return Object.entries(forms).map(([form, pass]) => ({
      level: "nodes" as const,
      name: model,
      variant: `${form}, ${formatShape(shape)}`,
      run: (held: BackendUnderTest) => checksOf(held, model, shape, pass),
    }));
  });
}

async function* checksOf(
  held: BackendUnderTest,
  model: ModelName,
  shape: readonly number[],
  pass: Pass,
): AsyncGenerator<Check> {
  const { backend, arithmetic, work } = held;
  const { graph: built, inputs } = fixtureModel(model, shape);
  const graph = pass(built);
  async function* checks() {
    for await (const outcome of runNodes(backend, { graph, inputs }, arithmetic, work)) yield checkOf(outcome);
  }
  yield* counted(checks(), nodesOf(graph).length, held);
}
