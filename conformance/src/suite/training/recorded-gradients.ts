import {
  type Answer,
  differentiate,
  type Graph,
  graph,
  input,
  mapValues,
  ops,
  type Pads,
  sgd,
  type Tensor,
  tensor,
  tensorOf,
  toFloat64,
  type Value,
  variable,
} from "@residual/core";
import type { Check } from "../../report/types.ts";
import type { Arithmetic } from "../arithmetic.ts";
import { composedBound } from "../bounds.ts";
import { heldAgainst, misshapen } from "../check.ts";
import { type FloatTensor, type OpGolden, opGoldens, opTensors } from "../goldens.ts";
import { type BackendUnderTest, counted } from "../task.ts";
import { indexOf } from "../trial.ts";
import { oneHot } from "./nets.ts";

/** PyTorch's attributes, as the goldens write them. */
interface Recorded {
  readonly kernel: readonly [number, number];
  readonly stride: readonly [number, number];
  readonly pads: Pads;
  readonly dilation: readonly [number, number];
  readonly groups: number;
  readonly epsilon: number;
  readonly momentum: number;
}

type Values = { readonly [name: string]: Value };

/** The outputs of each kind of case. `y` is differentiated by the inputs that have PyTorch's names of parameters. */
const kinds: { readonly [golden: string]: (inputs: Values, attributes: Recorded) => { y: Value } & Values } = {
  conv2d_grad: ({ x, w, b }, { stride, pads, dilation, groups }) => ({
    y: ops.conv2d({ x: x!, weight: w!, bias: b }, { stride, padding: pads, dilation, groups }),
  }),
  batch_norm_train: ({ x, gamma, beta, mean: running, var: runningVariance }, { epsilon, momentum }) => {
    const mean = ops.batchMean({ x: x! });
    const variance = ops.batchVariance({ x: x!, mean });
    const count = x!.shape.reduce<number>((product, size) => product * Number(size), 1) / Number(x!.shape[1]);
    const keep = 1 - momentum;
    const share = (momentum * count) / (count - 1); // the running variance is unbiased
    return {
      y: ops.batchNorm({ x: x!, scale: gamma!, shift: beta!, mean, variance }, { epsilon }),
      new_mean: ops.movingAverage({ average: running!, value: mean }, { keep, share: momentum }),
      new_var: ops.movingAverage({ average: runningVariance!, value: variance }, { keep, share }),
    };
  },
  max_pool2d_grad: ({ x }, { kernel, stride, pads }) => ({
    y: ops.maxPool2d({ x: x! }, { window: kernel, stride, padding: pads }),
  }),
  relu_grad: ({ x }) => ({ y: ops.relu({ x: x! }) }),
  global_avg_pool_grad: ({ x }) => ({ y: ops.globalAveragePool({ x: x! }) }),
  linear_grad: ({ x, w, b }) => ({ y: ops.linear({ x: x!, weight: w!, bias: b }) }),
  cross_entropy_grad: ({ x, target }) => ({ y: ops.crossEntropy({ logits: x!, target: target! }) }),
};

/** PyTorch's name of the gradient by each input. */
const gradientNames: { readonly [input: string]: string } = {
  x: "dx",
  w: "dw",
  b: "db",
  gamma: "dgamma",
  beta: "dbeta",
};

/** PyTorch's recorded gradients of single operators, and its recorded steps of SGD. */
export async function* recordedGradients(held: BackendUnderTest): AsyncGenerator<Check> {
  const all = await opGoldens<Recorded & Descent>(held.goldens);
  const cases = all.filter(({ op }) => op in kinds || op === "sgd");
  async function* checks() {
    for (const golden of cases) {
      const file = await opTensors(golden.file, held.goldens);
      const tensors = mapValues({ ...golden.inputs, ...golden.outputs }, (each) => file.get(each.tensor)!);
      yield* golden.op === "sgd" ? descentChecks(held, golden, tensors) : gradientChecks(held, golden, tensors);
    }
  }
  yield* counted(checks(), cases.length, held);
}

type Tensors = { readonly [name: string]: FloatTensor };

async function* gradientChecks(
  held: BackendUnderTest,
  golden: OpGolden<Recorded & Descent>,
  recorded: Tensors,
): AsyncGenerator<Check> {
  const { labels, ...others } = recorded;
  const isLoss = labels !== undefined;
  const target = isLoss ? { target: oneHot([...labels.data], others.x!.shape[1]!) } : {};
  const tensors: Tensors = { ...others, ...target };
  const names = [...Object.keys(golden.inputs), ...Object.keys(target)].filter(
    (name) => name in tensors && name !== "dy",
  );
  const inputs = Object.fromEntries(names.map((name) => [name, input(name, tensors[name]!.shape)]));
  const outputs = kinds[golden.op]!(inputs, golden.attrs);
  const forward: Graph = graph({ name: golden.id, inputs, outputs });
  const by = names.filter((name) => name in gradientNames);
  const whole: Graph = isLoss
    ? differentiate(forward, { of: "y", by })
    : differentiate(forward, { of: "y", by, seed: "dy" });
  const given = mapValues(whole.inputs, (_, name) => inFloat32(tensors[name]!));
  const expected = mapValues(whole.outputs, (_, name) => {
    return toFloat64(tensors[gradientNames[name.replace(/\.gradient$/, "")] ?? name]!);
  });
  await using executable = await held.backend.compile(whole, held.work);
  const answers = await executable.run(given, held.work);
  for (const [name, output] of Object.entries<Value>(whole.outputs)) {
    const { bound } = composedBound(output, given, held.arithmetic);
    yield checkAnswer(`${golden.id}: ${name}`, answers[name]!, expected[name]!, bound);
  }
}

/** Three steps of torch.optim.SGD on one tensor. */
async function* descentChecks(
  { backend, arithmetic, work }: BackendUnderTest,
  golden: OpGolden<Recorded & Descent>,
  tensors: Tensors,
) {
  const { lr, momentum, weightDecay, nesterov } = golden.attrs;
  const parameter = variable("p", inFloat32(tensors.p!));
  const [gradient, learningRate] = [input("g", tensors.p!.shape), input("learningRate", [])];
  const optimizer = sgd({ momentum, nesterov, weightDecay, coupled: true, decayAll: true });
  const trained = [{ parameter, gradient, isWeight: true, rate: lr }];
  const step = graph({
    name: golden.id,
    inputs: { g: gradient, learningRate },
    outputs: { y: ops.relu({ x: gradient }) },
    updates: optimizer({ trained, learningRate }),
  });
  await using executable = await backend.compile(step, work);
  const bounds = descentBounds(golden.attrs, tensors, arithmetic);
  for (const at of [0, 1, 2]) {
    await executable.run({ g: inFloat32(tensors[`g${at}`]!), learningRate: tensor([], [1]) }, work);
    const { p } = await executable.read(["p"], work);
    yield checkAnswer(`${golden.id}: step ${at + 1}`, p!, toFloat64(tensors[`p${at + 1}`]!), bounds[at]!);
  }
}

interface Descent {
  readonly lr: number;
  readonly momentum: number;
  readonly weightDecay: number;
  readonly nesterov: boolean;
}

/** The bounds after each step: those of the steps in a row, as one graph. */
function descentBounds(
  { lr, momentum, weightDecay, nesterov }: Descent,
  tensors: Tensors,
  arithmetic: Arithmetic,
): readonly Float64Array[] {
  const { shape } = tensors.p!;
  const zeros = tensorOf("float32", shape, new Float32Array(tensors.p!.data.length));
  const given: { readonly [name: string]: Tensor<"float32"> } = {
    ...mapValues(tensors, inFloat32),
    buffer: zeros,
    learningRate: tensor([], [1]),
  };
  const learningRate = input("learningRate", []);
  let [p, buffer]: Value[] = [input("p", shape), input("buffer", shape)];
  return ["g0", "g1", "g2"].map((name) => {
    const value = input(name, shape);
    const add = (average: Value) =>
      ops.movingAverage({ average, value, parameter: p! }, { keep: momentum, share: 1, decay: weightDecay });
    buffer = add(buffer!);
    const direction = nesterov ? add(buffer) : buffer;
    p = ops.descend({ parameter: p!, direction, learningRate }, { rate: lr });
    return composedBound(p, given, arithmetic).bound;
  });
}

function checkAnswer(name: string, answer: Answer, expected: Tensor<"float64">, bound: Float64Array): Check {
  if (answer.shape.join() !== expected.shape.join()) return misshapen({ name }, answer.shape, expected.shape);
  const indexAt = (at: number) => indexOf(at, expected.shape);
  return heldAgainst({ name }, { found: answer.data, expected: expected.data, bound, indexAt });
}

function inFloat32({ shape, data }: FloatTensor): Tensor<"float32"> {
  return tensorOf("float32", shape, Float32Array.from(data));
}
