import type { Preprocessing } from "./preprocessing.ts";

/** The first layers of a network; `stem.ts` has a row for each. */
export type StemName =
  | "imagenet"
  | "imagenetV2"
  | "keras"
  | "deep"
  | "deepWide"
  | "deepNarrow"
  | "tiered"
  | "cifar"
  | "bare"
  | "none";

/** The shortcut of a block that changes the shape; `shortcut.ts` has a row for each. */
export type ShortcutName =
  | "projection"
  | "projection3x3"
  | "pooled"
  | "unnormalized"
  | "preactivated"
  | "subsampled"
  | "paddle"
  | "padEven"
  | "padEnd";

/** A basic block is two 3×3 convolutions; a bottleneck is 1×1, 3×3, 1×1, with four times the width outside. */
export type BlockKind = "basic" | "bottleneck";

/** A published list of class names; `@residual/vision` holds the words. */
export type LabelSetName = "imagenet" | "cifar10" | "cifar100";

/**
 * A member of the family: its structure as numbers, its preprocessing and its labels. Absent fields of the structure
 * have torchvision's defaults; absent preprocessing and labels are unknown.
 */
export interface ResNetSpec {
  /** The kind of block for each stage, or for all stages (He et al. 2015, figure 5). */
  readonly block: BlockKind | readonly BlockKind[];
  /** Blocks in each stage. */
  readonly depths: readonly number[];
  /** Groups of a bottleneck's 3×3 convolution: ResNeXt's cardinality. Default 1 */
  readonly groups?: number;
  /**
   * Channels of each group of the 3×3 convolution in the first stage: 64 in ResNet, 4 with 32 groups in ResNeXt 32x4d,
   * 128 in wide ResNets.
   */
  readonly widthPerGroup?: number;
  /** Planes of each stage, or of the first stage. Default 64 */
  readonly width?: number | readonly number[];
  /** Ratio of the planes of a stage to the stage before. Default 2 */
  readonly growth?: number;
  /** Divisor of the width of a bottleneck's first 1×1 convolution: 2 in SENet-154. Default 1 */
  readonly narrowing?: number;
  /** Stride of each stage. Default: 1, then 2. If the last block has the stride: 2, and 1 in the last stage */
  readonly strides?: readonly number[];
  /** The block of a stage that has the stride. In Keras' pre-activated networks it is the last. Default "first" */
  readonly strideIn?: "first" | "last";
  /** The convolution of a bottleneck that has the stride: "conv1" in the paper (v1), "conv2" in torchvision (v1.5). */
  readonly strideOn?: "conv1" | "conv2";
  readonly stem?: StemName;
  readonly shortcut?: ShortcutName;
  /** Norm and ReLU before each convolution (He et al. 2016). */
  readonly preActivation?: boolean;
  /** Squeeze-excitation with this reduction (Hu et al. 2018). */
  readonly squeeze?: number;
  /** Outputs of the last layer; 0 omits the head. Default 1000 */
  readonly classes?: number;
  /** Whether the model ends in a softmax. */
  readonly softmax?: boolean;
  readonly inputChannels?: number;
  /** Side of the image if no shape is given, in pixels. Default 224 */
  readonly size?: number;
  /** The preprocessing of pictures, unless the weights specify another. */
  readonly preprocessing?: Preprocessing;
  /**
   * The class names, or the name of a list of them, unless the weights specify others. Ignored if the number of classes
   * differs.
   */
  readonly labels?: LabelSetName | readonly string[];
  /**
   * Which convolutions have a bias: all, none, those not followed by a norm, or the 1×1 of bottlenecks. Default false
   */
  readonly bias?: boolean | "unnormalized" | "pointwise";
  /** Added to the variance of each norm. Default 1e-5 */
  readonly epsilon?: number;
  /** "same" pads as TensorFlow does, with an odd pixel at the bottom and right; else (kernel − 1) / 2 on all sides. */
  readonly padding?: "same";
  /** Whether a block ends with a ReLU. Default true */
  readonly reluAfterAdd?: boolean;
  /** Whether a separate convolution between stages has the stride, instead of the stage's first block. */
  readonly transition?: boolean;
  /** The naming of blocks: `layer1.0`, `res1` numbered through all stages, `block`, or `blocks.0`. */
  readonly blockNames?: "layer" | "res" | "block" | "blocks";
}

/** The names of a model's outputs. */
export type OutputOf<Spec extends ResNetSpec> = Spec extends { readonly classes: 0 }
  ? "output"
  : Spec extends { readonly softmax: true }
    ? "logits" | "probabilities"
    : "logits";

/**
 * The names of a model's values, as far as its row defines them: one by one for stages, by the block's name for the
 * values of a block. Any name is accepted if the compiler does not know the row.
 */
export type ValueNameOf<Spec extends ResNetSpec> = Spec extends unknown
  ? ResNetSpec extends Spec
    ? string
    : "image" | OutputOf<Spec> | StageOf<Spec> | Within<BlockOf<Spec> | LayerOf<Spec>>
  : never;

/** A value, or a value inside it: `layer4.2` and `layer4.2.relu`, `conv1` and `conv1.weight`. */
type Within<Name extends string> = Name | `${Name}.${string}`;

type StageOf<Spec extends ResNetSpec> =
  | `layer${StageNumberOf<Spec>}`
  | (Spec extends { readonly stem: "none" } ? never : "stem")
  | (Spec extends { readonly classes: 0 } ? never : "avgpool" | "logits" | "cam");

/** 1 to the number of stages; any number if that is unknown. */
type StageNumberOf<Spec extends ResNetSpec> = number extends Spec["depths"]["length"]
  ? number
  : Exclude<Extract<keyof (readonly [never, ...Spec["depths"]]), `${number}`>, "0">;

type BlockOf<Spec extends ResNetSpec> = {
  readonly layer: `layer${StageNumberOf<Spec>}.${number}`;
  readonly res: `res${number}`;
  readonly block: "block";
  readonly blocks: `blocks.${number}`;
}["blockNames" extends keyof Spec ? NonNullable<Spec["blockNames"]> : "layer"];

/** Outside the blocks. */
type LayerOf<Spec extends ResNetSpec> =
  | `${"conv" | "bn" | "relu"}${number | ""}`
  | "maxpool"
  | (Spec extends { readonly stem: "keras" } ? "pad" : never)
  | (Spec extends { readonly classes: 0 } ? never : "final_relu" | "flatten" | "fc");
