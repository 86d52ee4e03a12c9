import { type Graph, graph, input, ops, type Value } from "@residual/core";
import type { FloatTensor, OpGolden } from "./goldens.ts";

/** PyTorch's attributes, as the goldens write them. */
interface Attributes {
  readonly stride?: [number, number];
  readonly pads?: [number, number, number, number];
  readonly dilation?: [number, number];
  readonly groups?: number;
  readonly kernel?: [number, number];
  readonly epsilon?: number;
  readonly ceilMode?: boolean;
  readonly channelsBefore?: number;
  readonly channelsAfter?: number;
}

type Inputs = { readonly [name: string]: Value };

/** How a case of the goldens is said in our ops. What is not here is of training, which no op of the IR does yet. */
const cases: { readonly [op: string]: (inputs: Inputs, attributes: Attributes) => Value } = {
  conv2d: ({ x, w, b }, { stride, pads, dilation, groups }) =>
    ops.conv2d(
      { x: x!, weight: w!, bias: b },
      { stride: stride!, padding: pads!, dilation: dilation!, groups: groups! },
    ),
  batch_norm: ({ x, gamma, beta, mean, var: variance }, { epsilon }) =>
    ops.batchNorm({ x: x!, scale: gamma!, shift: beta!, mean: mean!, variance: variance! }, { epsilon: epsilon! }),
  max_pool2d: ({ x }, { kernel, stride, pads }) =>
    ops.maxPool2d({ x: x! }, { window: kernel!, stride: stride!, padding: pads! }),
  avg_pool2d: ({ x }, { kernel, stride, ceilMode }) =>
    ops.averagePool2d({ x: x! }, { window: kernel!, stride: stride!, ceil: ceilMode! }),
  global_avg_pool: ({ x }) => ops.globalAveragePool({ x: x! }),
  linear: ({ x, w, b }) => ops.linear({ x: x!, weight: w!, bias: b }),
  relu: ({ x }) => ops.relu({ x: x! }),
  add: ({ a, b }) => ops.add({ a: a!, b: b! }),
  add_relu: ({ a, b }) => ops.relu({ x: ops.add({ a: a!, b: b! }) }),
  softmax: ({ x }) => ops.softmax({ x: x! }),
  log_softmax: ({ x }) => ops.logSoftmax({ x: x! }),
  sigmoid: ({ x }) => ops.sigmoid({ x: x! }),
  mul: ({ a, b }) => ops.multiply({ x: a!, gate: b! }),
  subsample_pad_channels: ({ x }, { stride, channelsBefore, channelsAfter }) =>
    ops.padChannels(
      { x: ops.subsample({ x: x! }, { stride: stride! }) },
      { before: channelsBefore!, after: channelsAfter! },
    ),
};

/** Whether a case is of an op that the IR has; the rest are gradients, losses and optimizers. */
export function isForward({ op }: OpGolden): boolean {
  return op in cases;
}

/**
 * The case as a graph. Images come in as inputs, and what a model would hold as its parameters as constants: backends
 * treat the two differently, onnxruntime lays out constant weights anew.
 */
export function graphOf(golden: OpGolden, tensors: { readonly [name: string]: FloatTensor }): Graph {
  const images = Object.keys(tensors).filter(
    (name) => ["x", "a", "b"].includes(name) && tensors[name]!.shape.length !== 1,
  );
  const values = Object.entries(tensors).map(([name, tensor]): [string, Value] => [
    name,
    images.includes(name) ? input(name, tensor.shape) : { kind: "constant", name, shape: tensor.shape, tensor },
  ]);
  const y = cases[golden.op]!(Object.fromEntries(values), golden.attrs);
  const inputs = Object.fromEntries(values.filter(([name]) => images.includes(name)));
  return graph({ name: golden.id, inputs: inputs as Graph["inputs"], outputs: { y } });
}
