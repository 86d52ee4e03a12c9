/** A step of training of ResNet-18, written in TensorFlow.js on its WebGPU backend: the peer of training-step.ts. */
import { existsSync } from "node:fs";
import { registerHooks } from "node:module";
import { fixtureWeights, type Graph, type Tensor } from "@residual/core";
import type { GpuSource } from "@residual/kit/gpu";
import { WebGPUBackend } from "@tensorflow/tfjs-backend-webgpu";
import * as tf from "@tensorflow/tfjs-core";

const FEATURES = [
  "maxComputeWorkgroupStorageSize",
  "maxComputeWorkgroupsPerDimension",
  "maxStorageBufferBindingSize",
  "maxBufferSize",
  "maxComputeWorkgroupSizeX",
  "maxComputeInvocationsPerWorkgroup",
] as const;

/**
 * Registers tfjs's gradients. Its bundle for Node leaves them out; the modules beside it have them, and import one
 * another
 * without file endings. Both share one global registry.
 */
async function registerGradients(): Promise<void> {
  registerHooks({
    resolve(specifier, context, next) {
      const { parentURL } = context;
      if (!parentURL?.includes("/tfjs-core/dist/") || !specifier.startsWith(".")) return next(specifier, context);
      const url = new URL(specifier, parentURL).href;
      const found = [url, `${url}.js`, `${url}/index.js`].find(
        (each) => each.endsWith(".js") && existsSync(new URL(each)),
      );
      return next(found ?? specifier, context);
    },
  });
  await import(new URL("register_all_gradients.js", import.meta.resolve("@tensorflow/tfjs-core")).href);
}

/** Makes tfjs compute on a device of this source of adapters. */
export async function useTfjs(gpu: GpuSource): Promise<void> {
  await registerGradients();
  Object.defineProperty(globalThis.navigator, "gpu", { value: gpu, configurable: true }); // tfjs looks for it
  const adapter = await gpu.requestAdapter({ powerPreference: "high-performance" });
  const requiredLimits = Object.fromEntries(FEATURES.map((name) => [name, (adapter!.limits as never)[name] as number]));
  const device = await adapter!.requestDevice({ requiredLimits });
  const backend = new WebGPUBackend(device, adapter!.info);
  tf.registerBackend("webgpu", () => backend);
  await tf.setBackend("webgpu");
  await tf.ready();
}

export interface TfjsStep {
  /** One step of SGD with momentum and weight decay. Returns the loss before the step. */
  step(): Promise<number>;
  /** The numbers of a variable, by PyTorch's name, in PyTorch's order. */
  read(name: string): Promise<Float32Array>;
}

interface Options {
  readonly image: Tensor<"float32">;
  readonly target: Tensor<"float32">;
  readonly learningRate: number;
  readonly momentum: number;
  readonly weightDecay: number;
}

/** The step for the open graph of ResNet-18, from the fixture's weights. */
export function tfjsStep(spec: Graph, { image, target, learningRate, momentum, weightDecay }: Options): TfjsStep {
  const variables = new Map<string, tf.Variable>();
  const statistics = new Map<string, tf.Variable>();
  for (const [name, { shape, data }] of fixtureWeights(spec, "v1").tensors) {
    const isStatistic = /running_(mean|var)$/.test(name);
    const initial = tf.tidy(() => {
      const given = tf.tensor(data, [...shape]);
      if (shape.length === 4) return tf.transpose(given, [2, 3, 1, 0]);
      return shape.length === 2 ? tf.transpose(given) : given;
    });
    (isStatistic ? statistics : variables).set(name, tf.variable(initial, !isStatistic));
    initial.dispose();
  }
  const of = (name: string) => variables.get(name)!;
  const x = tf.tidy(() => tf.transpose(tf.tensor4d(image.data, image.shape as never), [0, 2, 3, 1]));
  const labels = tf.tensor2d(target.data, target.shape as never);
  const batches: { readonly name: string; readonly mean: tf.Tensor; readonly variance: tf.Tensor; n: number }[] = [];

  const conv = (y: tf.Tensor4D, name: string, stride: number, pad: number) =>
    tf.conv2d(
      y,
      of(`${name}.weight`) as tf.Variable<tf.Rank.R4>,
      stride,
      pad,
      "NHWC",
      1,
      pad === 0 ? undefined : "floor",
    );
  const norm = (y: tf.Tensor4D, name: string): tf.Tensor4D => {
    const { mean, variance } = tf.moments(y, [0, 1, 2]);
    const [n, h, w] = y.shape;
    batches.push({ name, mean: tf.keep(mean.clone()), variance: tf.keep(variance.clone()), n: n * h * w });
    return tf.batchNorm4d(
      y,
      mean as never,
      variance as never,
      of(`${name}.bias`) as never,
      of(`${name}.weight`) as never,
      1e-5,
    );
  };
  const block = (y: tf.Tensor4D, name: string, stride: number): tf.Tensor4D => {
    const first = tf.relu(norm(conv(y, `${name}.conv1`, stride, 1), `${name}.bn1`));
    const second = norm(conv(first, `${name}.conv2`, 1, 1), `${name}.bn2`);
    const shortcut = variables.has(`${name}.downsample.0.weight`)
      ? norm(conv(y, `${name}.downsample.0`, stride, 0), `${name}.downsample.1`)
      : y;
    return tf.relu(tf.add(second, shortcut));
  };
  const forward = (): tf.Tensor2D => {
    let y = tf.relu(norm(conv(x, "conv1", 2, 3), "bn1"));
    y = tf.maxPool(y, 3, 2, 1, "floor");
    for (const stage of [1, 2, 3, 4]) {
      for (const i of [0, 1]) y = block(y, `layer${stage}.${i}`, stage > 1 && i === 0 ? 2 : 1);
    }
    const pooled = tf.mean<tf.Tensor2D>(y, [1, 2]);
    return tf.add(tf.matMul(pooled, of("fc.weight") as never as tf.Tensor2D), of("fc.bias"));
  };
  const loss = (): tf.Scalar => tf.neg(tf.mean(tf.sum(tf.mul(labels, tf.logSoftmax(forward())), 1)));

  const buffers = new Map([...variables].map(([name, each]) => [name, tf.variable(tf.zerosLike(each), false)]));
  const update = (gradients: tf.NamedTensorMap): void => {
    for (const [name, variable] of variables) {
      const gradient = gradients[variable.name]!;
      const buffer = buffers.get(name)!;
      tf.tidy(() => {
        const decayed = tf.add(gradient, tf.mul(variable, weightDecay));
        buffer.assign(tf.add(tf.mul(buffer, momentum), decayed));
        variable.assign(tf.sub(variable, tf.mul(buffer, learningRate)));
      });
    }
    for (const { name, mean, variance, n } of batches) {
      const average = (statistic: string, value: tf.Tensor, share: number) => {
        const running = statistics.get(`${name}.${statistic}`)!;
        tf.tidy(() => running.assign(tf.add(tf.mul(running, 0.9), tf.mul(value, share))));
      };
      average("running_mean", mean, 0.1);
      average("running_var", variance, (0.1 * n) / (n - 1));
    }
  };
  return {
    async step() {
      const { value, grads } = tf.variableGrads(loss, [...variables.values()]);
      update(grads);
      for (const { mean, variance } of batches.splice(0)) tf.dispose([mean, variance]);
      tf.dispose(grads);
      // the last update, so that all of the step's work is waited for
      const done = buffers.get("fc.bias")!.data();
      const [found] = await value.data();
      await done;
      value.dispose();
      return found!;
    },
    async read(name) {
      const variable = (variables.get(name) ?? statistics.get(name))!;
      const { rank } = variable;
      const ours = tf.tidy(() =>
        rank === 4 ? tf.transpose(variable, [3, 2, 0, 1]) : rank === 2 ? tf.transpose(variable) : variable.clone(),
      );
      const data = (await ours.data()) as Float32Array;
      ours.dispose();
      return data;
    },
  };
}
