import {
  type AnyNode,
  backendOf,
  concrete,
  evaluateOp,
  type Lowering,
  lower,
  mapValues,
  readTensor,
  type Tensor,
  tensorOf,
  toFloat64,
  type Value,
} from "@residual/core";

/** A step of a program: a value, and the steps whose results it reads. */
type Step = { readonly value: Value; readonly reads: { readonly [input: string]: number } };
/** A row per op. Here each adds the same step; a backend of yours adds its runtime's own operation. */
function loweringTo(steps: Step[]): Lowering<number> {
  const row = (value: AnyNode, reads: Step["reads"]) => steps.push({ value, reads }) - 1;
  const pools = { averagePool2d: row, globalAveragePool: row, maxPool2d: row, subsample: row, padChannels: row };
  const others = { add: row, multiply: row, flatten: row, relu: row, sigmoid: row, softmax: row, logSoftmax: row };
  const gradients = { conv2dInputGradient: row, conv2dWeightGradient: row, maxPool2dGradient: row, reluGradient: row };
  const training = { affine: row, times: row, divide: row, sqrt: row, sum: row, expand: row, reshape: row };
  const products = { batchNorm: row, conv2d: row, linear: row, sliceChannels: row };
  return { ...pools, ...others, ...gradients, ...training, ...products };
}

export const toy = backendOf({
  name: "toy",
  describe: async () => ({ library: "toy", version: "1.0.0", device: "cpu", dtypes: ["float32"] }),
  async load(graph) {
    const steps: Step[] = [];
    const stepOf = lower(graph, loweringTo(steps), (value) => steps.push({ value, reads: {} }) - 1);
    const kept = new Map<string, Tensor<"float32">>(); // weights, and what variables are by now
    for (const { value } of steps) if ("source" in value) kept.set(value.name, rounded(await readTensor(value.source)));
    let next = new Map<string, Tensor<"float32">>(); // what variables become
    return {
      async run(inputs, { batch }) {
        const results: Tensor<"float32">[] = [];
        for (const { value, reads } of steps) {
          const operands = mapValues(reads, (step) => toFloat64(results[step]!));
          if (value.kind === "node") results.push(computed(value, operands, concrete(value.shape, batch)));
          else results.push(kept.get(value.name) ?? inputs[value.name]!);
        }
        next = new Map(graph.updates.map(({ variable, value }) => [variable.name, results[stepOf.get(value)!]!]));
        return mapValues(graph.outputs, (value) => rounded(results[stepOf.get(value)!]!));
      },
      commit: () => next.forEach((tensor, name) => void kept.set(name, tensor)),
      read: async (names) => Object.fromEntries(names.map((name) => [name, rounded(kept.get(name)!)])),
      dispose: async () => kept.clear(),
    };
  },
});

/** The result of a node in float64, rounded to float32. Kernels of yours go here. */
const computed = (node: AnyNode, inputs: { readonly [input: string]: Tensor<"float64"> }, shape: readonly number[]) =>
  rounded(tensorOf("float64", shape, evaluateOp(node, inputs, shape)));
const rounded = ({ shape, data }: Tensor<"float32" | "float64">) => tensorOf("float32", shape, Float32Array.from(data));
