import {
  type AnyNode,
  type Backend,
  concrete,
  type Graph,
  isFiniteInFloat32,
  nodesOf,
  type RealTensor,
  ResidualError,
  sizeOf,
  type Tensor,
} from "@residual/core";

/** Where training met a number that is not finite. */
export interface NonFinitePlace {
  /** From 1. */
  readonly step: number;
  readonly epoch: number;
  readonly learningRate: number;
  /** Undefined if another run of the same batches met only finite numbers. */
  readonly found: NonFiniteValue | undefined;
}

/** The first value of a step that holds a NaN or an infinity. */
export interface NonFiniteValue {
  /** The node's name, as `residual summary` lists it; or that of an input. */
  readonly name: string;
  /** Undefined for an input. */
  readonly op: string | undefined;
  readonly index: number;
  readonly value: number;
}

/** The loss of a step, or a weight after it, is not a finite number. The message names the first value that is not. */
export class NonFiniteError extends ResidualError {
  readonly code = "NonFiniteError";
  readonly place: NonFinitePlace;

  constructor(place: NonFinitePlace, wayBack: string) {
    const { step, epoch, learningRate, found } = place;
    const what = found
      ? `the first value that is not finite is ${found.name}${found.op === undefined ? "" : ` (${found.op})`}, ` +
        `with ${found.value} at index ${found.index}`
      : "the same batches gave finite numbers when they were run again: the backend is not deterministic";
    super(
      `the loss is not finite at step ${step} (epoch ${epoch}): ${what}; the learning rate was ${learningRate}: ` +
        `lower it, clip gradients, or look at the batch; ${wayBack}`,
    );
    this.place = place;
  }
}

/** Bytes of the values that one run gives out. */
const MOST = 1 << 28;

/**
 * The first value of a graph, in the order of computation, that is not finite for these inputs. The graph is run with
 * all its values as outputs; a large one in several runs, each with some of them.
 */
export async function firstNonFiniteValue(
  backend: Backend,
  graph: Graph,
  inputs: { readonly [name: string]: Tensor<"float32"> },
): Promise<NonFiniteValue | undefined> {
  for (const [name, tensor] of Object.entries(inputs)) {
    const found = nonFiniteIn(tensor);
    if (found) return { name, op: undefined, ...found };
  }
  for (const nodes of groupsOf(nodesOf(graph))) {
    const outputs = Object.fromEntries(nodes.map((node) => [node.name, node]));
    await using executable = await backend.compile({ ...graph, outputs, updates: [] });
    const values = await executable.run(inputs);
    for (const { name, op } of nodes) {
      const found = nonFiniteIn(values[name]!);
      if (found) return { name, op, ...found };
    }
  }
  return undefined;
}

/** Nodes in order, in groups of limited size. */
function groupsOf(nodes: readonly AnyNode[]): readonly (readonly AnyNode[])[] {
  const groups: AnyNode[][] = [];
  let bytes = Infinity;
  for (const node of nodes) {
    const own = 4 * sizeOf(concrete(node.shape, 1));
    if (bytes + own > MOST) {
      groups.push([]);
      bytes = 0;
    }
    groups.at(-1)!.push(node);
    bytes += own;
  }
  return groups;
}

/** The first number that is not finite in float32, in which files hold weights and most backends compute. */
export function nonFiniteIn({ data }: RealTensor): Pick<NonFiniteValue, "index" | "value"> | undefined {
  for (let index = 0; index < data.length; index++)
    if (!isFiniteInFloat32(data[index]!)) return { index, value: data[index]! };
  return undefined;
}
