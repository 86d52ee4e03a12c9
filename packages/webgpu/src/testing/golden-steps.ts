import { readFileSync } from "node:fs";
import {
  type Backend,
  fill,
  fixtureWeights,
  type Graph,
  type ResNetSpec,
  resnet,
  select,
  sgd,
  type Tensor,
  tensorOf,
  trainable,
  trainingStep,
  variablesOf,
  variants,
} from "@residual/core";

/** Some numbers of a tensor, and its L2 norm. */
interface Recorded {
  readonly l2: number;
  readonly samples: readonly number[];
}

type RecordedTensors = { readonly [name: string]: Recorded };

interface WorstError {
  readonly worst: number;
}

/** PyTorch's three steps of training in float64; conformance/golden/README.md says what each field is. */
interface GoldenSteps {
  readonly id: string;
  readonly input: { readonly name: string; readonly shape: readonly [number, number, number, number] };
  readonly labels: readonly number[];
  readonly initialLogits: { readonly shape: readonly [number, number] };
  readonly sgd: { readonly lr: number; readonly momentum: number; readonly weight_decay: number };
  readonly grads: RecordedTensors;
  readonly losses: readonly number[];
  readonly steps: readonly { readonly params: RecordedTensors; readonly buffers: RecordedTensors }[];
  readonly fp32: {
    readonly lossAbs: readonly number[];
    readonly gradL2Rel: WorstError;
    readonly gradMaxOverMax: WorstError;
    readonly paramMaxOverMax: readonly WorstError[];
    readonly bufferMaxOverMax: readonly WorstError[];
  };
}

const specs: { readonly [id: string]: ResNetSpec } = {
  train_cifar_resnet20_8x3x32x32: variants.cifar_resnet20,
  train_resnet18_4x3x64x64: variants.resnet18,
  train_resnext14_32x4d_8x3x32x32: {
    ...variants.resnext50_32x4d,
    depths: [1, 1, 1, 1],
  },
};

function goldenSteps(id: string): GoldenSteps {
  const path = `../../../../conformance/golden/train/${id}.json`;
  return JSON.parse(readFileSync(new URL(path, import.meta.url), "utf8")) as GoldenSteps;
}

/** The largest errors of some steps, each in multiples of the error of PyTorch in float32. */
export interface StepErrors {
  readonly loss: number;
  readonly gradientNorm: number;
  readonly gradient: number;
  readonly parameter: number;
  readonly statistic: number;
}

/** Trains a golden case for its three steps. */
export async function errorsOfSteps(backend: Backend, id: string): Promise<StepErrors> {
  const golden = goldenSteps(id);
  const { shape, name } = golden.input;
  const { lr, momentum, weight_decay: weightDecay } = golden.sgd;
  const spec = resnet(specs[id]!, { input: shape });
  const network = trainable(spec, { weights: fixtureWeights(spec, "v1") });
  const optimizer = sgd({ momentum, weightDecay, coupled: true, decayAll: true });
  const step: Graph = trainingStep(network, { loss: "crossEntropy", optimizer });
  const names = Object.keys(golden.grads);
  const withGradients = select(step, ["loss", ...names.map((each) => `${each}.gradient`)]);
  const inputs = {
    image: image(name, shape),
    target: oneHot(golden),
    learningRate: tensorOf("float32", [], Float32Array.of(lr)),
  };
  await using executable = await backend.compile(withGradients);
  const errors = { loss: 0, gradientNorm: 0, gradient: 0, parameter: 0, statistic: 0 };
  const count = (kind: keyof typeof errors, error: number, allowed: number) => {
    errors[kind] = Math.max(errors[kind], error / allowed);
  };
  const { fp32 } = golden;
  for (const [k, { params, buffers }] of golden.steps.entries()) {
    const results: { [name: string]: Tensor } = await executable.run(inputs);
    count("loss", Math.abs(Number(results.loss!.data[0]) - golden.losses[k]!), Math.max(...fp32.lossAbs));
    if (k === 0) {
      for (const each of names) {
        const found = results[`${each}.gradient`]!;
        const { l2 } = golden.grads[each]!;
        count("gradientNorm", Math.abs(normOf(found) - l2) / l2, fp32.gradL2Rel.worst);
        count("gradient", errorOf(found, golden.grads[each]!), fp32.gradMaxOverMax.worst);
      }
    }
    const known = variablesOf(step).map(({ name }) => name);
    const read = await executable.read(known.filter((each) => each in params || each in buffers));
    for (const [each, found] of Object.entries(read)) {
      if (each in params) count("parameter", errorOf(found, params[each]!), fp32.paramMaxOverMax[k]!.worst);
      else count("statistic", errorOf(found, buffers[each]!), fp32.bufferMaxOverMax[k]!.worst);
    }
  }
  return errors;
}

function image(name: string, shape: readonly [number, number, number, number]): Tensor<"float32"> {
  const [n, c, h, w] = shape;
  const { data } = fill("v1", name, shape, -1, 1);
  const { data: offsets } = fill("v1", `${name}.offset`, [n, c], -2, 2);
  return tensorOf(
    "float32",
    shape,
    data.map((value, i) => value + offsets[Math.floor(i / (h * w))]!),
  );
}

function oneHot({ labels, initialLogits: { shape } }: GoldenSteps): Tensor<"float32"> {
  const data = new Float32Array(shape[0] * shape[1]);
  for (const [row, label] of labels.entries()) data[row * shape[1] + label] = 1;
  return tensorOf("float32", shape, data);
}

function normOf({ data }: Tensor): number {
  return Math.sqrt([...data].reduce<number>((sum, value) => sum + Number(value) ** 2, 0));
}

/** The largest difference over the samples, relative to the largest number of the tensor. */
function errorOf({ data }: Tensor, { samples }: Recorded): number {
  const largest = Array.from(data, Number).reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  const differences = samples.map((value, k) => Math.abs(Number(data[(k * 1000003) % data.length]) - value));
  return Math.max(...differences) / largest;
}
