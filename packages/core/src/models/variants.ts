import type { ResNetSpec } from "./spec.ts";

/** ImageNet's mean and deviation, as torchvision and timm write them. */
const imagenetColours = { scale: 255, mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] } as const;

/** Source: torchvision, models/resnet.py, the transforms of IMAGENET1K_V1. */
const imagenet = {
  preprocessing: { resize: 256, crop: 224, interpolation: "bilinear", ...imagenetColours },
  labels: "imagenet",
} as const;

/** torchvision's newer training recipe is evaluated with a resize of 232. Same source. */
const imagenet232 = { ...imagenet, preprocessing: { ...imagenet.preprocessing, resize: 232 } } as const;

/** Source: timm's default_cfgs and results-imagenet.csv (commit aa4b5850); resize is ⌊crop / crop_pct⌋. */
const timm = (resize: number, crop: number) =>
  ({ preprocessing: { resize, crop, interpolation: "bicubic", ...imagenetColours }, labels: "imagenet" }) as const;

/** timm's test network, at 160 pixels. */
const halves160 = {
  resize: 168,
  crop: 160,
  interpolation: "bilinear",
  scale: 255,
  mean: [0.5, 0.5, 0.5],
  std: [0.5, 0.5, 0.5],
} as const;

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

/** Raw bytes, as MLPerf Tiny's model reads them. Source: mlcommons/tiny (commit 1afd2c98). */
const rawBytes = { ...cifar10.preprocessing, scale: 1, mean: [0, 0, 0], std: [1, 1, 1] } as const;

/**
 * Raw bytes in Caffe's channel order, minus ImageNet's mean. No resize is published: 256 comes from measurements by
 * others. Source: keras/src/applications/imagenet_utils.py, mode "caffe" (commit 3422977a).
 */
const keras = {
  preprocessing: {
    ...imagenet.preprocessing,
    scale: 1,
    mean: [123.68, 116.779, 103.939],
    std: [1, 1, 1],
    channels: "bgr",
  },
  labels: "imagenet",
  block: "bottleneck",
  strideOn: "conv1",
  bias: true,
  epsilon: 1.001e-5,
  softmax: true,
} as const;

/** Colours from −1 to 1: mode "tf" of the same source. The last block of a stage has the stride. */
const kerasV2 = {
  preprocessing: { ...imagenet.preprocessing, mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5] },
  labels: "imagenet",
  block: "bottleneck",
  stem: "keras",
  shortcut: "subsampled",
  preActivation: true,
  strideIn: "last",
  bias: "unnormalized",
  epsilon: 1.001e-5,
  softmax: true,
} as const;

/** Source: chenyaofo/image-classification-codebase (commit 610e652), conf/cifar10.conf and cifar100.conf. */
const chenyaofo10 = {
  ...cifar10,
  preprocessing: { ...cifar10.preprocessing, std: [0.2023, 0.1994, 0.201] },
  block: "basic",
  stem: "cifar",
  width: 16,
} as const;
const chenyaofo100 = {
  ...chenyaofo10,
  preprocessing: { ...cifar10.preprocessing, mean: [0.507, 0.4865, 0.4409], std: [0.2673, 0.2564, 0.2761] },
  labels: "cifar100",
  classes: 100,
} as const;

/** Source: kuangliu/pytorch-cifar, main.py and models/resnet.py (commit 49b7aa97). */
const kuangliu = {
  ...cifar10,
  preprocessing: { ...cifar10.preprocessing, std: [0.2023, 0.1994, 0.201] },
  stem: "cifar",
} as const;

/** Source: Apache MXNet, gluon/model_zoo/vision/resnet.py, BottleneckV1: its 1×1 convolutions have biases. */
const mxnetV1 = { ...imagenet, block: "bottleneck", strideOn: "conv1", bias: "pointwise" } as const;

/**
 * The family. Names are torchvision's and timm's; the other names are a prefix and the paper's depth. A new member is a
 * line: its structure, preprocessing and labels. A timm row has the evaluation recipe of timm's default weights at the
 * row's size, a torchvision row the recipe of V1. Weights may override both.
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
  resnet101_v1: { ...imagenet, block: "bottleneck", depths: [3, 4, 23, 3], strideOn: "conv1" },
  resnet152_v1: { ...imagenet, block: "bottleneck", depths: [3, 8, 36, 3], strideOn: "conv1" },
  // Xie et al. 2017
  resnext14_32x4d: { ...imagenet, block: "bottleneck", depths: [1, 1, 1, 1], groups: 32, widthPerGroup: 4 },
  resnext50_32x4d: { ...imagenet, block: "bottleneck", depths: [3, 4, 6, 3], groups: 32, widthPerGroup: 4 },
  resnext101_32x4d: { ...timm(256, 224), block: "bottleneck", depths: [3, 4, 23, 3], groups: 32, widthPerGroup: 4 },
  resnext101_32x8d: { ...imagenet, block: "bottleneck", depths: [3, 4, 23, 3], groups: 32, widthPerGroup: 8 },
  resnext101_32x16d: { ...imagenet, block: "bottleneck", depths: [3, 4, 23, 3], groups: 32, widthPerGroup: 16 },
  resnext101_32x32d: { ...imagenet, block: "bottleneck", depths: [3, 4, 23, 3], groups: 32, widthPerGroup: 32 },
  resnext101_32x48d: { ...imagenet, block: "bottleneck", depths: [3, 4, 23, 3], groups: 32, widthPerGroup: 48 },
  resnext101_64x4d: { ...imagenet232, block: "bottleneck", depths: [3, 4, 23, 3], groups: 64, widthPerGroup: 4 },
  // Zagoruyko and Komodakis 2016
  wide_resnet50_2: { ...imagenet, block: "bottleneck", depths: [3, 4, 6, 3], widthPerGroup: 128 },
  wide_resnet101_2: { ...imagenet, block: "bottleneck", depths: [3, 4, 23, 3], widthPerGroup: 128 },

  // timm. "c", "d", "s" and "t": He et al. 2019, figure 2, and the stems of Gluon; "se": Hu et al. 2018
  test_resnet: {
    ...timm(168, 160), preprocessing: halves160, block: ["basic", "basic", "bottleneck", "basic"], depths: [1, 1, 1, 1],
    width: [32, 48, 48, 96], stem: "deepNarrow", shortcut: "pooled", size: 160,
  },
  resnet10t: { ...timm(235, 224), block: "basic", depths: [1, 1, 1, 1], stem: "tiered", shortcut: "pooled" },
  resnet14t: { ...timm(235, 224), block: "bottleneck", depths: [1, 1, 1, 1], stem: "tiered", shortcut: "pooled" },
  resnet18d: { ...timm(256, 224), block: "basic", depths: [2, 2, 2, 2], stem: "deep", shortcut: "pooled" },
  resnet26: { ...timm(256, 224), block: "bottleneck", depths: [2, 2, 2, 2] },
  resnet26d: { ...timm(256, 224), block: "bottleneck", depths: [2, 2, 2, 2], stem: "deep", shortcut: "pooled" },
  resnet26t: { ...timm(272, 256), block: "bottleneck", depths: [2, 2, 2, 2], stem: "tiered", shortcut: "pooled", size: 256 },
  resnet34d: { ...timm(256, 224), block: "basic", depths: [3, 4, 6, 3], stem: "deep", shortcut: "pooled" },
  resnet50c: { ...timm(256, 224), block: "bottleneck", depths: [3, 4, 6, 3], stem: "deep" },
  resnet50d: { ...timm(256, 224), block: "bottleneck", depths: [3, 4, 6, 3], stem: "deep", shortcut: "pooled" },
  resnet50s: { ...timm(256, 224), block: "bottleneck", depths: [3, 4, 6, 3], stem: "deepWide" },
  resnet101c: { ...timm(256, 224), block: "bottleneck", depths: [3, 4, 23, 3], stem: "deep" },
  resnet101d: { ...timm(269, 256), block: "bottleneck", depths: [3, 4, 23, 3], stem: "deep", shortcut: "pooled", size: 256 },
  resnet101s: { ...timm(256, 224), block: "bottleneck", depths: [3, 4, 23, 3], stem: "deepWide" },
  resnet152c: { ...timm(256, 224), block: "bottleneck", depths: [3, 8, 36, 3], stem: "deep" },
  resnet152d: { ...timm(269, 256), block: "bottleneck", depths: [3, 8, 36, 3], stem: "deep", shortcut: "pooled", size: 256 },
  resnet152s: { ...timm(256, 224), block: "bottleneck", depths: [3, 8, 36, 3], stem: "deepWide" },
  resnet200d: { ...timm(269, 256), block: "bottleneck", depths: [3, 24, 36, 3], stem: "deep", shortcut: "pooled" },
  resnext50d_32x4d: {
    ...timm(256, 224), block: "bottleneck", depths: [3, 4, 6, 3], groups: 32, widthPerGroup: 4, stem: "deep", shortcut: "pooled",
  },
  seresnet50: { ...timm(256, 224), block: "bottleneck", depths: [3, 4, 6, 3], squeeze: 16 },
  seresnet152d: {
    ...timm(269, 256), block: "bottleneck", depths: [3, 8, 36, 3], stem: "deep", shortcut: "pooled", squeeze: 16, size: 256,
  },
  seresnext26d_32x4d: {
    ...timm(256, 224), block: "bottleneck", depths: [2, 2, 2, 2], groups: 32, widthPerGroup: 4, stem: "deep", shortcut: "pooled",
    squeeze: 16,
  },
  seresnext26t_32x4d: {
    ...timm(256, 224), block: "bottleneck", depths: [2, 2, 2, 2], groups: 32, widthPerGroup: 4, stem: "tiered", shortcut: "pooled",
    squeeze: 16,
  },
  seresnext50_32x4d: { ...timm(256, 224), block: "bottleneck", depths: [3, 4, 6, 3], groups: 32, widthPerGroup: 4, squeeze: 16 },
  seresnext101_32x4d: { ...timm(256, 224), block: "bottleneck", depths: [3, 4, 23, 3], groups: 32, widthPerGroup: 4, squeeze: 16 },
  seresnext101_32x8d: { ...timm(235, 224), block: "bottleneck", depths: [3, 4, 23, 3], groups: 32, widthPerGroup: 8, squeeze: 16 },
  seresnext101d_32x8d: {
    ...timm(235, 224), block: "bottleneck", depths: [3, 4, 23, 3], groups: 32, widthPerGroup: 8, stem: "deep", shortcut: "pooled",
    squeeze: 16,
  },
  seresnext101_64x4d: { ...timm(256, 224), block: "bottleneck", depths: [3, 4, 23, 3], groups: 64, widthPerGroup: 4, squeeze: 16 },
  senet154: {
    ...timm(256, 224), block: "bottleneck", depths: [3, 8, 36, 3], groups: 64, widthPerGroup: 4, narrowing: 2, stem: "deepWide",
    shortcut: "projection3x3", squeeze: 16,
  },

  // Keras applications. "_v02": the weights of fchollet/deep-learning-models v0.2, made with another epsilon
  keras_resnet50: { ...keras, depths: [3, 4, 6, 3] },
  keras_resnet101: { ...keras, depths: [3, 4, 23, 3] },
  keras_resnet152: { ...keras, depths: [3, 8, 36, 3] },
  keras_resnet50_v02: { ...keras, depths: [3, 4, 6, 3], epsilon: 1e-3 },
  keras_resnet50v2: { ...kerasV2, depths: [3, 4, 6, 3] },
  keras_resnet101v2: { ...kerasV2, depths: [3, 4, 23, 3] },
  keras_resnet152v2: { ...kerasV2, depths: [3, 8, 36, 3] },

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

  // The same with option B, by the names that chenyaofo/pytorch-cifar-models publishes them under
  cifar10_resnet20: { ...chenyaofo10, depths: [3, 3, 3] },
  cifar10_resnet32: { ...chenyaofo10, depths: [5, 5, 5] },
  cifar10_resnet44: { ...chenyaofo10, depths: [7, 7, 7] },
  cifar10_resnet56: { ...chenyaofo10, depths: [9, 9, 9] },
  cifar100_resnet20: { ...chenyaofo100, depths: [3, 3, 3] },
  cifar100_resnet32: { ...chenyaofo100, depths: [5, 5, 5] },
  cifar100_resnet44: { ...chenyaofo100, depths: [7, 7, 7] },
  cifar100_resnet56: { ...chenyaofo100, depths: [9, 9, 9] },

  // ImageNet's networks with the stem of CIFAR's, as kuangliu/pytorch-cifar trains them
  cifar_resnet18: { ...kuangliu, block: "basic", depths: [2, 2, 2, 2] },
  cifar_resnet34: { ...kuangliu, block: "basic", depths: [3, 4, 6, 3] },
  cifar_resnet50: { ...kuangliu, block: "bottleneck", depths: [3, 4, 6, 3] },
  cifar_resnet101: { ...kuangliu, block: "bottleneck", depths: [3, 4, 23, 3] },
  cifar_resnet152: { ...kuangliu, block: "bottleneck", depths: [3, 8, 36, 3] },

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
  // MXNet's, as the ONNX model zoo has them. What MXNet calls resnet50_v1 is not the paper's: it has biases
  mxnet_resnet50_v1: { ...mxnetV1, depths: [3, 4, 6, 3] },
  mxnet_resnet101_v1: { ...mxnetV1, depths: [3, 4, 23, 3] },
  mxnet_resnet152_v1: { ...mxnetV1, depths: [3, 8, 36, 3] },
  resnet18v2: { ...imagenet, block: "basic", depths: [2, 2, 2, 2], stem: "imagenetV2", shortcut: "preactivated", preActivation: true },
  resnet34v2: { ...imagenet, block: "basic", depths: [3, 4, 6, 3], stem: "imagenetV2", shortcut: "preactivated", preActivation: true },
  resnet50v2: { ...imagenet, block: "bottleneck", depths: [3, 4, 6, 3], stem: "imagenetV2", shortcut: "preactivated", preActivation: true },
  resnet101v2: { ...imagenet, block: "bottleneck", depths: [3, 4, 23, 3], stem: "imagenetV2", shortcut: "preactivated", preActivation: true },
  resnet152v2: { ...imagenet, block: "bottleneck", depths: [3, 8, 36, 3], stem: "imagenetV2", shortcut: "preactivated", preActivation: true },
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

/** The names of the tutorials' nets in PyTorch's recorded answers. */
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

/** Aliases of model names, which no list of models shows. */
export type ModelAlias = keyof typeof goldenNames;

// The table answers to them too, wherever a model is looked up by its name. Not enumerable: no list of models shows
// them.
for (const [alias, name] of Object.entries(goldenNames))
  Object.defineProperty(variants, alias, { value: variants[name] });

/** The table's name for a model's name or alias; undefined for an unknown name. */
export function modelNameOf(name: string): ModelName | undefined {
  if (!Object.hasOwn(variants, name)) return undefined;
  const aliases: Readonly<Record<string, ModelName>> = goldenNames;
  return aliases[name] ?? (name as ModelName);
}
