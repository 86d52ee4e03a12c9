import {
  type AnyNode,
  constant,
  fixtureInput,
  fixtureWeights,
  type Graph,
  graph,
  input,
  ops,
  resnet,
  type Source,
  sgd,
  type Tensor,
  tensor,
  tensorOf,
  trainable,
  trainingStep,
  variants,
} from "@residual/core";
import { fill } from "./values.ts";

/** A convolution, its batch norm, a shortcut and a classifier: the smallest residual network. */
export function tiny(batch: number | "N" = "N"): Graph<"image", "logits"> {
  const image = input("image", [batch, 3, 8, 8]);
  const conv = ops.conv2d({ x: image, weight: constant("conv.weight", fill([3, 3, 3, 3], 1)) }, { padding: 1 });
  const statistics = { scale: "bn.weight", shift: "bn.bias", mean: "bn.running_mean", variance: "bn.running_var" };
  const [scale, shift, mean, variance] = Object.values(statistics).map((name, i) =>
    constant(name, fill([3], i + 2, 0.5, 1.5)),
  );
  const norm = ops.batchNorm({ x: conv, scale, shift, mean, variance });
  const sum = ops.relu({ x: ops.add({ a: norm, b: image }) });
  const pooled = ops.flatten({ x: ops.globalAveragePool({ x: sum }) });
  const weight = constant("fc.weight", fill([5, 3], 6));
  const logits = { ...ops.linear({ x: pooled, weight, bias: constant("fc.bias", fill([5], 7)) }), name: "logits" };
  return graph({ name: "tiny", inputs: { image }, outputs: { logits } });
}

/** `depth` square layers of `width`²·4 bytes: for what depends on the size of weights. */
export function wide(
  width: number,
  depth: number,
  weightOf: (layer: number) => Source = (layer) => fill([width, width], layer, -0.05, 0.05),
): Graph<"x", "y"> {
  const x = input("x", ["N", width]);
  const layers = Array.from({ length: depth }, (_, layer) => constant(`layers.${layer}.weight`, weightOf(layer)));
  const y = layers.reduce<typeof x | ReturnType<typeof ops.linear>>(
    (value, weight) => ops.linear({ x: value, weight }),
    x,
  );
  return graph({ name: "wide", inputs: { x }, outputs: { y } });
}

/**
 * Sixteen convolutions of 4·10⁸ multiply-adds each: a run of some hundred milliseconds on inputs of 800 kB an image.
 */
export function slow(): Graph<"image", "y"> {
  const image = input("image", ["N", 256, 28, 28]);
  const weight = constant("weight", fill([256, 256, 3, 3], 1, -0.02, 0.02));
  let y: AnyNode | typeof image = image;
  for (let layer = 0; layer < 16; layer++) y = ops.conv2d({ x: y, weight }, { padding: 1 });
  return graph({ name: "slow", inputs: { image }, outputs: { y } });
}

/** A step of training of a small residual network, with strided and padded shortcuts, on images of 12 × 12 pixels. */
export function tinyStep(batch = 4): Graph<string, "loss" | "logits"> {
  const spec = resnet({ ...variants.cifar_resnet20, depths: [1, 1, 1] }, { input: [batch, 3, 12, 12] });
  return trainingStep(trainable(spec, { weights: fixtureWeights(spec, "v1") }), {
    loss: "crossEntropy",
    optimizer: sgd({ weightDecay: 1e-3 }),
  });
}

/** A batch for it. The label of each image is its number. */
export function tinyBatch(batch = 4): { readonly [name: string]: Tensor<"float32"> } {
  const hot = Float32Array.from({ length: batch * 10 }, (_, i) => Number(Math.floor(i / 10) === i % 10));
  return {
    image: fixtureInput("v1", [batch, 3, 12, 12]),
    target: tensorOf("float32", [batch, 10], hot),
    learningRate: tensor([], [0.05]),
  };
}
