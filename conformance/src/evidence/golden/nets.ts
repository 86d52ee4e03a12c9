import type { ModelName } from "@residual/core";
import { cifar10, imagenet, type Preprocessing, raw32 } from "@residual/vision";

/** Other people's weights and pictures. The folder lies beside the project, never in it. */
const shared = new URL("../../../../../shared/", import.meta.url);
export const data = new URL("data/", shared);

/** Trained weights, and PyTorch's answers to pictures with these weights. */
export interface Net {
  readonly name: string;
  readonly model: ModelName;
  readonly weights: string;
  readonly answers: URL;
  readonly tensor: string;
  readonly preprocessing: Preprocessing;
  readonly correct: number;
}

const recorded = new URL("cifar10/logits_first2000.safetensors", data);
/**
 * PyTorch's answers on CIFAR-10 were made with means and deviations from float32 tensors. The trunk's answers were made
 * with float64 numbers.
 */
const rounded = ({ mean, std, ...rest }: Preprocessing): Preprocessing => ({
  ...rest,
  mean: mean.map(Math.fround),
  std: std.map(Math.fround),
});
const akamaster = rounded({ ...cifar10, mean: imagenet.mean, std: imagenet.std });
export const path = (file: string): string => new URL(file, data).pathname;

/**
 * The counts of right answers among the 2,000 pictures come from data/README.md and from the card of our own weights.
 */
export const nets: readonly Net[] = [
  ...(
    [
      [20, "12fca82f", 1834],
      [32, "d509ac18", 1854],
      [44, "014dd654", 1866],
    ] as const
  ).map(
    ([depth, hash, correct]): Net => ({
      name: `resnet${depth}`,
      model: `cifar_resnet${depth}`,
      weights: path(`weights/cifar-resnet/resnet${depth}-${hash}.safetensors`),
      answers: recorded,
      tensor: `resnet${depth}`,
      preprocessing: akamaster,
      correct,
    }),
  ),
  {
    name: "resnet8 of MLPerf Tiny",
    model: "mlperf_tiny_resnet8",
    weights: path("weights/mlperf-tiny-resnet8/pretrainedResnet.safetensors"),
    answers: recorded,
    tensor: "resnet8",
    preprocessing: raw32,
    correct: 1759,
  },
  {
    name: "our own resnet20",
    model: "cifar_resnet20",
    weights: "resnet20-cifar10",
    answers: new URL("weights/resnet20-cifar10.answers.safetensors", shared),
    tensor: "logits",
    preprocessing: rounded(cifar10),
    correct: 1791,
  },
];

/** The first two stages of a ResNet-50 v2. The recorded answers are features of these stages. */
export const trunk = {
  model: "resnet50v2_trunk" as const,
  weights: path("weights/resnet50v2-trunk/stem-stage1-stage2.safetensors"),
};
