import type { ResNetSpec } from "./spec.ts";

/** ImageNet's mean and deviation, as torchvision and timm write them. */
const imagenetColours = { scale: 255, mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] } as const;

/** Source: torchvision, models/resnet.py, the transforms of IMAGENET1K_V1. */
const imagenet = {
  preprocessing: { resize: 256, crop: 224, interpolation: "bilinear", ...imagenetColours },
  labels: "imagenet",
} as const;

/** The same source's newer training recipe is evaluated with a resize of 232. */
const imagenet232 = { ...imagenet, preprocessing: { ...imagenet.preprocessing, resize: 232 } } as const;

/** Source: timm's default_cfgs and results-imagenet.csv (commit aa4b5850); resize is ⌊crop / crop_pct⌋. */
const timm = (resize: number, crop: number) =>
  ({ preprocessing: { resize, crop, interpolation: "bicubic", ...imagenetColours }, labels: "imagenet" }) as const;

const cifar10 = {
  classes: 10,
  size: 32,
  preprocessing: {
    resize: 32,
    crop: 32,
    interpolation: "bilinear",
    scale: 255,
    mean: [0.4914, 0.4822, 0.4465],
    std: [0.247, 0.2435, 0.2616],
  },
  labels: "cifar10",
} as const;

/** Bytes as they are: what MLPerf Tiny's model reads. Source: mlcommons/tiny (commit 1afd2c98). */
const rawBytes = { ...cifar10.preprocessing, scale: 1, mean: [0, 0, 0], std: [1, 1, 1] } as const;

/**
 * The family: torchvision's and timm's names as they are, and for the rest the paper's depth after what it is.
 * A new member is a line: its structure, and the preprocessing and labels that go with it. A timm row has the
 * evaluation recipe of timm's default weights at the row's size; torchvision's row that of V1. Weights may say
 * otherwise.
 */
// biome-ignore format: a table reads by rows
export const variants = {
  // torchvision. He et al. 2015, table 1
  resnet18: { ...imagenet, block: "basic", depths: [2, 2, 2, 2] },
  resnet34: { ...imagenet, block: "basic", depths: [3, 4, 6, 3] },
  resnet50: { ...imagenet, block: "bottleneck", depths: [3, 4, 6, 3] },
  resnet101: { ...imagenet, block: "bottleneck", depths: [3, 4, 23, 3] },
  resnet152: { ...imagenet, block: "bottleneck", depths: [3, 8, 36, 3] },
  resnet200: { ...imagenet, block: "bottleneck", depths: [3, 24, 36, 3] },
  // The paper's own stride placement; torchvision's is "v1.5"
  resnet50_v1: { ...imagenet, block: "bottleneck", depths: [3, 4, 6, 3], strideOn: "conv1" },
  // Xie et al. 2017
  resnext14_32x4d: { ...imagenet, block: "bottleneck", depths: [1, 1, 1, 1], groups: 32, widthPerGroup: 4 },
  resnext50_32x4d: { ...imagenet, block: "bottleneck", depths: [3, 4, 6, 3], groups: 32, widthPerGroup: 4 },
  resnext101_32x8d: { ...imagenet, block: "bottleneck", depths: [3, 4, 23, 3], groups: 32, widthPerGroup: 8 },
  resnext101_64x4d: { ...imagenet232, block: "bottleneck", depths: [3, 4, 23, 3], groups: 64, widthPerGroup: 4 },
  // Zagoruyko and Komodakis 2016
  wide_resnet50_2: { ...imagenet, block: "bottleneck", depths: [3, 4, 6, 3], widthPerGroup: 128 },
  wide_resnet101_2: { ...imagenet, block: "bottleneck", depths: [3, 4, 23, 3], widthPerGroup: 128 },

  // timm. "t" and "d": He et al. 2019, figure 2; "se": Hu et al. 2018
  resnet10t: { ...timm(235, 224), block: "basic", depths: [1, 1, 1, 1], stem: "tiered", shortcut: "pooled" },
  resnet14t: { ...timm(235, 224), block: "bottleneck", depths: [1, 1, 1, 1], stem: "tiered", shortcut: "pooled" },
  resnet26: { ...timm(256, 224), block: "bottleneck", depths: [2, 2, 2, 2] },
  resnet50d: { ...timm(256, 224), block: "bottleneck", depths: [3, 4, 6, 3], stem: "deep", shortcut: "pooled" },
  resnet200d: { ...timm(269, 256), block: "bottleneck", depths: [3, 24, 36, 3], stem: "deep", shortcut: "pooled" },
  seresnet50: { ...timm(256, 224), block: "bottleneck", depths: [3, 4, 6, 3], squeeze: 16 },
  seresnext50_32x4d: { ...timm(256, 224), block: "bottleneck", depths: [3, 4, 6, 3], groups: 32, widthPerGroup: 4, squeeze: 16 },

  // CIFAR. He et al. 2015, section 4.2: depth 6n + 2, option A; "_padend" has all zero channels behind
  cifar_resnet20: { ...cifar10, block: "basic", depths: [3, 3, 3], stem: "cifar", width: 16, shortcut: "padEven" },
  cifar_resnet32: { ...cifar10, block: "basic", depths: [5, 5, 5], stem: "cifar", width: 16, shortcut: "padEven" },
  cifar_resnet44: { ...cifar10, block: "basic", depths: [7, 7, 7], stem: "cifar", width: 16, shortcut: "padEven" },
  cifar_resnet56: { ...cifar10, block: "basic", depths: [9, 9, 9], stem: "cifar", width: 16, shortcut: "padEven" },
  cifar_resnet110: { ...cifar10, block: "basic", depths: [18, 18, 18], stem: "cifar", width: 16, shortcut: "padEven" },
  cifar_resnet1202: { ...cifar10, block: "basic", depths: [200, 200, 200], stem: "cifar", width: 16, shortcut: "padEven" },
  cifar_resnet20_padend: { ...cifar10, block: "basic", depths: [3, 3, 3], stem: "cifar", width: 16, shortcut: "padEnd" },
  cifar_resnet32_padend: { ...cifar10, block: "basic", depths: [5, 5, 5], stem: "cifar", width: 16, shortcut: "padEnd" },
  cifar_resnet44_padend: { ...cifar10, block: "basic", depths: [7, 7, 7], stem: "cifar", width: 16, shortcut: "padEnd" },
  cifar_resnet56_padend: { ...cifar10, block: "basic", depths: [9, 9, 9], stem: "cifar", width: 16, shortcut: "padEnd" },
  cifar_resnet110_padend: { ...cifar10, block: "basic", depths: [18, 18, 18], stem: "cifar", width: 16, shortcut: "padEnd" },
  cifar_resnet1202_padend: { ...cifar10, block: "basic", depths: [200, 200, 200], stem: "cifar", width: 16, shortcut: "padEnd" },
  mlperf_tiny_resnet8: {
    ...cifar10, preprocessing: rawBytes, block: "basic", depths: [1, 1, 1], stem: "cifar", width: 16, shortcut: "unnormalized",
    bias: true, epsilon: 1e-3, padding: "same", softmax: true,
  },

  // Pre-activation. He et al. 2016; the authors' own code has the stride on the first 1×1
  cifar_preact20: { ...cifar10, block: "basic", depths: [3, 3, 3], stem: "bare", width: 16, shortcut: "padEven", preActivation: true },
  cifar_preact20_proj: { ...cifar10, block: "basic", depths: [3, 3, 3], stem: "bare", width: 16, shortcut: "preactivated", preActivation: true },
  cifar_preact164: {
    ...cifar10, block: "bottleneck", depths: [18, 18, 18], stem: "bare", width: 16, shortcut: "preactivated", preActivation: true,
    strideOn: "conv1",
  },
  cifar_preact164_s3x3: {
    ...cifar10, block: "bottleneck", depths: [18, 18, 18], stem: "bare", width: 16, shortcut: "preactivated", preActivation: true,
  },
  cifar_preact1001: {
    ...cifar10, block: "bottleneck", depths: [111, 111, 111], stem: "bare", width: 16, shortcut: "preactivated", preActivation: true,
    strideOn: "conv1",
  },
  // MXNet's, as the ONNX model zoo has it
  resnet50v2: { ...imagenet, block: "bottleneck", depths: [3, 4, 6, 3], stem: "imagenetV2", shortcut: "preactivated", preActivation: true },
  resnet50v2_trunk: {
    ...imagenet, block: "bottleneck", depths: [3, 4], stem: "imagenetV2", shortcut: "preactivated", preActivation: true, classes: 0,
  },

  // Nets that tutorials build: Paddle's and PyTorch's residual unit alone, Keras' and PyTorch's whole net
  paddle_unit: {
    block: "basic", depths: [1], stem: "none", width: 8, shortcut: "paddle", classes: 0, inputChannels: 8, size: 8,
    bias: true, reluAfterAdd: false, blockNames: "block",
  },
  paddle_unit_s1_id: {
    block: "basic", depths: [1], stem: "none", width: 8, shortcut: "paddle", classes: 0, inputChannels: 8, size: 8,
    bias: true, reluAfterAdd: false, blockNames: "block",
  },
  paddle_unit_s1_proj: {
    block: "basic", depths: [1], stem: "none", width: 8, shortcut: "paddle", classes: 0, inputChannels: 6, size: 8,
    bias: true, reluAfterAdd: false, blockNames: "block",
  },
  paddle_unit_s2: {
    block: "basic", depths: [1], strides: [2], stem: "none", width: 8, shortcut: "paddle", classes: 0, inputChannels: 8,
    size: 8, bias: true, reluAfterAdd: false, blockNames: "block",
  },
  paddle_unit_sequential: {
    block: "basic", depths: [1, 1, 1], strides: [2, 2, 2], stem: "none", growth: 1, shortcut: "paddle", classes: 0,
    inputChannels: 64, size: 20, bias: true, reluAfterAdd: false, blockNames: "blocks",
  },
  keras_tutorial_resnet: {
    preprocessing: imagenet.preprocessing, block: "basic", depths: [3, 3, 3, 3], bias: true, epsilon: 1e-3, padding: "same",
    softmax: true,
  },
  pytorch_unit: {
    block: "basic", depths: [1], stem: "none", width: 8, classes: 0, inputChannels: 8, size: 8, bias: true, blockNames: "block",
  },
  pytorch_unit_s1_id: {
    block: "basic", depths: [1], stem: "none", width: 8, classes: 0, inputChannels: 8, size: 8, bias: true, blockNames: "block",
  },
  pytorch_unit_s1_proj: {
    block: "basic", depths: [1], stem: "none", width: 8, classes: 0, inputChannels: 6, size: 8, bias: true, blockNames: "block",
  },
  pytorch_unit_s2: {
    block: "basic", depths: [1], strides: [2], stem: "none", width: 8, classes: 0, inputChannels: 8, size: 8, bias: true,
    blockNames: "block",
  },
  pytorch_tutorial_net: {
    ...cifar10, block: "basic", depths: [3, 3, 3], stem: "cifar", transition: true, bias: true, blockNames: "res",
  },
} as const satisfies Record<string, ResNetSpec>;

export type ModelName = keyof typeof variants;

export const modelNames: readonly ModelName[] = Object.keys(variants) as ModelName[];

/** What PyTorch's recorded answers call the nets of tutorials. */
const goldenNames = {
  seed000_block: "paddle_unit",
  seed000_block_s1_id: "paddle_unit_s1_id",
  seed000_block_s1_proj: "paddle_unit_s1_proj",
  seed000_block_s2: "paddle_unit_s2",
  seed000_sequential: "paddle_unit_sequential",
  seed002_keras: "keras_tutorial_resnet",
  seed003_block: "pytorch_unit",
  seed003_block_s1_id: "pytorch_unit_s1_id",
  seed003_block_s1_proj: "pytorch_unit_s1_proj",
  seed003_block_s2: "pytorch_unit_s2",
  seed004_net: "pytorch_tutorial_net",
} as const satisfies Record<string, ModelName>;

/** Names that stand for a model, and that no list of models shows. */
export type ModelAlias = keyof typeof goldenNames;

// The table answers to them too, wherever a model is looked up by its name. Not enumerable: no list of models shows
// them.
for (const [alias, name] of Object.entries(goldenNames))
  Object.defineProperty(variants, alias, { value: variants[name] });

/** The table's own name for a model's name or alias; undefined for a name that it does not know. */
export function modelNameOf(name: string): ModelName | undefined {
  if (!Object.hasOwn(variants, name)) return undefined;
  const aliases: Readonly<Record<string, ModelName>> = goldenNames;
  return aliases[name] ?? (name as ModelName);
}
