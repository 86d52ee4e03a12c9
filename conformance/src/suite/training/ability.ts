import {
  type Backend,
  type Graph,
  graph,
  input,
  ops,
  sgd,
  tensor,
  trainingStep,
  UnsupportedError,
  variable,
  type WorkOptions,
} from "@residual/core";
import type { BackendUnderTest } from "../task.ts";

/** The smallest step of training: a linear layer. */
function smallStep(): Graph<string, string> {
  const x = input("x", [1, 1]);
  const weight = variable("weight", tensor([2, 1], [1, -1]));
  const net = graph({ name: "smallest step", inputs: { x }, outputs: { logits: ops.linear({ x, weight }) } });
  return trainingStep(net, { loss: "crossEntropy", optimizer: sgd() });
}

const known = new WeakMap<Backend, Promise<string | undefined>>();

/**
 * The reason why a backend does not train: it refuses the smallest step with UnsupportedError. Undefined if it trains,
 * or fails in another way, which the checks then show.
 */
export function lackOfTraining({ backend, work }: BackendUnderTest): Promise<string | undefined> {
  const before = known.get(backend);
  if (before) return before;
  const reason = refusalOf(backend, work);
  known.set(backend, reason);
  return reason;
}

async function refusalOf(backend: Backend, work: WorkOptions): Promise<string | undefined> {
  try {
    await using executable = await backend.compile(smallStep(), work);
    const learningRate = tensor([], [1]);
    await executable.run({ x: tensor([1, 1], [1]), target: tensor([1, 2], [1, 0]), learningRate }, work);
    return undefined;
  } catch (error) {
    if (!(error instanceof UnsupportedError)) return undefined;
    return `${backend.name} does not train: ${error.message}`;
  }
}
