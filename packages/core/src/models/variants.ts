import type { ResNetSpec } from "./spec.ts";

/**
 * The family: torchvision's and timm's names as they are, and for the rest the paper's depth after what it is.
 * A new member is a line.
 */
// biome-ignore format: a table reads by rows
export const variants = {
  // torchvision. He et al. 2015, table 1
  resnet18: { block: "basic", depths: [2, 2, 2, 2] },
  resnet34: { block: "basic", depths: [3, 4, 6, 3] },
  resnet50: { block: "bottleneck", depths: [3, 4, 6, 3] },
  resnet101: { block: "bottleneck", depths: [3, 4, 23, 3] },
  resnet152: { block: "bottleneck", depths: [3, 8, 36, 3] },
  resnet200: { block: "bottleneck", depths: [3, 24, 36, 3] },
  // The paper's own stride placement; torchvision's is "v1.5"
  resnet50_v1: { block: "bottleneck", depths: [3, 4, 6, 3], strideOn: "conv1" },
  // Xie et al. 2017
  resnext14_32x4d: { block: "bottleneck", depths: [1, 1, 1, 1], groups: 32, widthPerGroup: 4 },
  resnext50_32x4d: { block: "bottleneck", depths: [3, 4, 6, 3], groups: 32, widthPerGroup: 4 },
  resnext101_32x8d: { block: "bottleneck", depths: [3, 4, 23, 3], groups: 32, widthPerGroup: 8 },
  resnext101_64x4d: { block: "bottleneck", depths: [3, 4, 23, 3], groups: 64, widthPerGroup: 4 },
  // Zagoruyko and Komodakis 2016
  wide_resnet50_2: { block: "bottleneck", depths: [3, 4, 6, 3], widthPerGroup: 128 },
  wide_resnet101_2: { block: "bottleneck", depths: [3, 4, 23, 3], widthPerGroup: 128 },

  // timm. "t" and "d": He et al. 2019, figure 2; "se": Hu et al. 2018
  resnet10t: { block: "basic", depths: [1, 1, 1, 1], stem: "tiered", shortcut: "pooled" },
  resnet14t: { block: "bottleneck", depths: [1, 1, 1, 1], stem: "tiered", shortcut: "pooled" },
  resnet26: { block: "bottleneck", depths: [2, 2, 2, 2] },
  resnet50d: { block: "bottleneck", depths: [3, 4, 6, 3], stem: "deep", shortcut: "pooled" },
  resnet200d: { block: "bottleneck", depths: [3, 24, 36, 3], stem: "deep", shortcut: "pooled" },
  seresnet50: { block: "bottleneck", depths: [3, 4, 6, 3], squeeze: 16 },
  seresnext50_32x4d: { block: "bottleneck", depths: [3, 4, 6, 3], groups: 32, widthPerGroup: 4, squeeze: 16 },

  // CIFAR. He et al. 2015, section 4.2: depth 6n + 2, option A; "_padend" has all zero channels behind
  cifar_resnet20: { block: "basic", depths: [3, 3, 3], stem: "cifar", width: 16, shortcut: "padEven", classes: 10, size: 32 },
  cifar_resnet32: { block: "basic", depths: [5, 5, 5], stem: "cifar", width: 16, shortcut: "padEven", classes: 10, size: 32 },
  cifar_resnet44: { block: "basic", depths: [7, 7, 7], stem: "cifar", width: 16, shortcut: "padEven", classes: 10, size: 32 },
  cifar_resnet56: { block: "basic", depths: [9, 9, 9], stem: "cifar", width: 16, shortcut: "padEven", classes: 10, size: 32 },
  cifar_resnet110: { block: "basic", depths: [18, 18, 18], stem: "cifar", width: 16, shortcut: "padEven", classes: 10, size: 32 },
  cifar_resnet1202: { block: "basic", depths: [200, 200, 200], stem: "cifar", width: 16, shortcut: "padEven", classes: 10, size: 32 },
  cifar_resnet20_padend: { block: "basic", depths: [3, 3, 3], stem: "cifar", width: 16, shortcut: "padEnd", classes: 10, size: 32 },
  cifar_resnet32_padend: { block: "basic", depths: [5, 5, 5], stem: "cifar", width: 16, shortcut: "padEnd", classes: 10, size: 32 },
  cifar_resnet44_padend: { block: "basic", depths: [7, 7, 7], stem: "cifar", width: 16, shortcut: "padEnd", classes: 10, size: 32 },
  cifar_resnet56_padend: { block: "basic", depths: [9, 9, 9], stem: "cifar", width: 16, shortcut: "padEnd", classes: 10, size: 32 },
  cifar_resnet110_padend: { block: "basic", depths: [18, 18, 18], stem: "cifar", width: 16, shortcut: "padEnd", classes: 10, size: 32 },
  cifar_resnet1202_padend: { block: "basic", depths: [200, 200, 200], stem: "cifar", width: 16, shortcut: "padEnd", classes: 10, size: 32 },
  mlperf_tiny_resnet8: {
    block: "basic", depths: [1, 1, 1], stem: "cifar", width: 16, shortcut: "unnormalized", classes: 10, size: 32,
    bias: true, epsilon: 1e-3, padding: "same", softmax: true,
  },

  // Pre-activation. He et al. 2016; the authors' own code has the stride on the first 1×1
  cifar_preact20: { block: "basic", depths: [3, 3, 3], stem: "bare", width: 16, shortcut: "padEven", preActivation: true, classes: 10, size: 32 },
  cifar_preact20_proj: { block: "basic", depths: [3, 3, 3], stem: "bare", width: 16, shortcut: "preactivated", preActivation: true, classes: 10, size: 32 },
  cifar_preact164: {
    block: "bottleneck", depths: [18, 18, 18], stem: "bare", width: 16, shortcut: "preactivated", preActivation: true,
    strideOn: "conv1", classes: 10, size: 32,
  },
  cifar_preact164_s3x3: {
    block: "bottleneck", depths: [18, 18, 18], stem: "bare", width: 16, shortcut: "preactivated", preActivation: true,
    classes: 10, size: 32,
  },
  cifar_preact1001: {
    block: "bottleneck", depths: [111, 111, 111], stem: "bare", width: 16, shortcut: "preactivated", preActivation: true,
    strideOn: "conv1", classes: 10, size: 32,
  },
  // MXNet's, as the ONNX model zoo has it
  resnet50v2: { block: "bottleneck", depths: [3, 4, 6, 3], stem: "imagenetV2", shortcut: "preactivated", preActivation: true },
  resnet50v2_trunk: {
    block: "bottleneck", depths: [3, 4], stem: "imagenetV2", shortcut: "preactivated", preActivation: true, classes: 0,
  },

  // Teaching variants
  seed000_block: {
    block: "basic", depths: [1], stem: "none", width: 8, shortcut: "paddle", classes: 0, inputChannels: 8, size: 8,
    bias: true, reluAfterAdd: false, blockNames: "block",
  },
  seed000_block_s1_id: {
    block: "basic", depths: [1], stem: "none", width: 8, shortcut: "paddle", classes: 0, inputChannels: 8, size: 8,
    bias: true, reluAfterAdd: false, blockNames: "block",
  },
  seed000_block_s1_proj: {
    block: "basic", depths: [1], stem: "none", width: 8, shortcut: "paddle", classes: 0, inputChannels: 6, size: 8,
    bias: true, reluAfterAdd: false, blockNames: "block",
  },
  seed000_block_s2: {
    block: "basic", depths: [1], strides: [2], stem: "none", width: 8, shortcut: "paddle", classes: 0, inputChannels: 8,
    size: 8, bias: true, reluAfterAdd: false, blockNames: "block",
  },
  seed000_sequential: {
    block: "basic", depths: [1, 1, 1], strides: [2, 2, 2], stem: "none", growth: 1, shortcut: "paddle", classes: 0,
    inputChannels: 64, size: 20, bias: true, reluAfterAdd: false, blockNames: "blocks",
  },
  seed002_keras: {
    block: "basic", depths: [3, 3, 3, 3], bias: true, epsilon: 1e-3, padding: "same", softmax: true,
  },
  seed003_block: {
    block: "basic", depths: [1], stem: "none", width: 8, classes: 0, inputChannels: 8, size: 8, bias: true, blockNames: "block",
  },
  seed003_block_s1_id: {
    block: "basic", depths: [1], stem: "none", width: 8, classes: 0, inputChannels: 8, size: 8, bias: true, blockNames: "block",
  },
  seed003_block_s1_proj: {
    block: "basic", depths: [1], stem: "none", width: 8, classes: 0, inputChannels: 6, size: 8, bias: true, blockNames: "block",
  },
  seed003_block_s2: {
    block: "basic", depths: [1], strides: [2], stem: "none", width: 8, classes: 0, inputChannels: 8, size: 8, bias: true,
    blockNames: "block",
  },
  seed004_net: {
    block: "basic", depths: [3, 3, 3], stem: "cifar", transition: true, bias: true, classes: 10, size: 32, blockNames: "res",
  },
} as const satisfies Record<string, ResNetSpec>;

export type ModelName = keyof typeof variants;
