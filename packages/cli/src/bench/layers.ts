import {
  type AnyNode,
  type Backend,
  bind,
  concrete,
  fixtureWeights,
  type Graph,
  graph,
  type Input,
  input,
  macsOf,
  nodesOf,
  optimize,
  type Signal,
  sizeOf,
  type Tensor,
  tensorOf,
  type Value,
} from "@residual/core";

/** The cost of one layer on a backend. */
export interface LayerCost {
  readonly name: string;
  readonly op: string;
  readonly shape: readonly number[];
  readonly macs: number;
  /** Median wall time of a run of this layer alone, in milliseconds. */
  readonly ms: number;
}

/**
 * Times each layer of a model separately, as a graph of one layer, with norms folded and epilogues fused. The gain from
 * keeping a backend's own layout between layers is therefore not measured. Equal layers are timed once.
 */
export async function timeLayers(
  backend: Backend,
  open: Graph<"image">,
  { times, signal, onLayer }: { times: number; signal: Signal; onLayer: (done: number, total: number) => void },
): Promise<readonly LayerCost[]> {
  const lean = optimize(bind(open, fixtureWeights(open, "v1")));
  const nodes = nodesOf(lean);
  const known = new Map<string, number>();
  const layers: LayerCost[] = [];
  for (const [done, node] of nodes.entries()) {
    onLayer(done, nodes.length);
    const kind = kindOf(node);
    const ms = known.get(kind) ?? (await timeAlone(backend, node, times, signal));
    known.set(kind, ms);
    layers.push({ name: node.name, op: node.op, shape: concrete(node.shape, 1), macs: macsOf(node, 1), ms });
  }
  return layers;
}

/** Equal for layers that a backend runs by the same code on the same amount of data. */
function kindOf({ op, attributes, inputs }: AnyNode): string {
  return JSON.stringify([op, attributes, Object.entries(inputs).map(([name, { kind, shape }]) => [name, kind, shape])]);
}

async function timeAlone(backend: Backend, node: AnyNode, times: number, signal: Signal): Promise<number> {
  const { graph, inputs } = alone(node);
  await using executable = await backend.compile(graph, { signal });
  const costs: number[] = [];
  for (let run = 0; run <= times; run++) {
    const start = performance.now();
    await executable.run(inputs, { signal });
    if (run > 0) costs.push(performance.now() - start); // the first warms up
  }
  return costs.sort((a, b) => a - b)[Math.floor(costs.length / 2)]!;
}

/** A node as a graph: its inputs from other nodes become graph inputs, with half of their numbers negative. */
function alone(node: AnyNode): { graph: Graph; inputs: { readonly [name: string]: Tensor<"float32"> } } {
  const declared: { [name: string]: Input } = {};
  const inputs: { [name: string]: Tensor<"float32"> } = {};
  const entries = Object.entries(node.inputs).map(([name, value]): [string, Value] => {
    if (value.kind === "constant") return [name, value];
    const shape = concrete(value.shape, 1);
    declared[name] = input(name, shape);
    inputs[name] = tensorOf(
      "float32",
      shape,
      Float32Array.from({ length: sizeOf(shape) }, (_, i) => Math.sin(i)),
    );
    return [name, declared[name]];
  });
  const y: AnyNode = { ...node, name: "y", inputs: Object.fromEntries(entries) };
  return { graph: graph({ name: node.name, inputs: declared, outputs: { y } }), inputs };
}
