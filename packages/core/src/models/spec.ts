import type { Preprocessing } from "./preprocessing.ts";

/** How a network begins; `stem.ts` has a row for each. */
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

/** What a block adds to its own answer where the shape changes; `shortcut.ts` has a row for each. */
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

/** A basic block is two 3×3; a bottleneck is 1×1, 3×3, 1×1 with four times the width outside. */
export type BlockKind = "basic" | "bottleneck";

/** A published list of class names; `@residual/vision` holds the words. */
export type LabelSetName = "imagenet" | "cifar10" | "cifar100";

/**
 * A member of the family: its structure as numbers, and what its users have to know of it. Where structure is not
 * given, torchvision's default holds; preprocessing and labels that are not given are unknown.
 */
export interface ResNetSpec {
  /** What the blocks of each stage are, or those of all stages (He et al. 2015, figure 5). */
  readonly block: BlockKind | readonly BlockKind[];
  /** Blocks in each stage. */
  readonly depths: readonly number[];
  /** Groups of the 3×3 of a bottleneck: ResNeXt's cardinality. 1 */
  readonly groups?: number;
  /** Channels of each group of the 3×3 in the first stage: 64 is ResNet, 4 with 32 groups ResNeXt 32x4d, 128 wide. */
  readonly widthPerGroup?: number;
  /** Planes of each stage, or of the first one. 64 */
  readonly width?: number | readonly number[];
  /** What the planes are multiplied by from stage to stage. 2 */
  readonly growth?: number;
  /** What divides the width of the first 1×1 of a bottleneck: 2 in SENet-154. 1 */
  readonly narrowing?: number;
  /** Step of each stage. 1, then 2; where the last block takes it, 2, and 1 in the last stage */
  readonly strides?: readonly number[];
  /** Which block of a stage takes its step. The last one does in Keras' pre-activated networks. "first" */
  readonly strideIn?: "first" | "last";
  /** Which convolution of a bottleneck takes the step: "conv1" is the paper's (v1), "conv2" torchvision's (v1.5). */
  readonly strideOn?: "conv1" | "conv2";
  readonly stem?: StemName;
  readonly shortcut?: ShortcutName;
  /** Norm and ReLU before each convolution (He et al. 2016). */
  readonly preActivation?: boolean;
  /** Squeeze-excitation with this reduction (Hu et al. 2018). */
  readonly squeeze?: number;
  /** Outputs of the last layer; 0 leaves the head off. 1000 */
  readonly classes?: number;
  /** Whether the model ends in a softmax. */
  readonly softmax?: boolean;
  readonly inputChannels?: number;
  /** Side of the image that a graph is built for where no shape is given, in pixels. 224 */
  readonly size?: number;
  /** What becomes of pictures before the model sees them, unless the weights say otherwise. */
  readonly preprocessing?: Preprocessing;
  /**
   * The names of the classes, or of their list, unless the weights say otherwise. Passed over by another number of
   * classes.
   */
  readonly labels?: LabelSetName | readonly string[];
  /**
   * Whether convolutions have a bias: all, none, those without a norm right after them, or the 1×1 of bottlenecks.
   * false
   */
  readonly bias?: boolean | "unnormalized" | "pointwise";
  /** Added to the variance of each norm. 1e-5 */
  readonly epsilon?: number;
  /** "same" pads as TensorFlow does, the larger half behind; else (kernel − 1) / 2 on all sides. */
  readonly padding?: "same";
  /** Whether a block ends with a ReLU. true */
  readonly reluAfterAdd?: boolean;
  /** Whether the step between stages is a convolution of its own, not the first block's. */
  readonly transition?: boolean;
  /** What blocks are called: `layer1.0`, `res1` counted through, `block`, or `blocks.0`. */
  readonly blockNames?: "layer" | "res" | "block" | "blocks";
}

/** The names of what a model answers. */
export type OutputOf<Spec extends ResNetSpec> = Spec extends { readonly classes: 0 }
  ? "output"
  : Spec extends { readonly softmax: true }
    ? "logits" | "probabilities"
    : "logits";

/**
 * The names of a model's values, as far as its row tells them: stages are known one by one, what lies in a block by the
 * block's name. Any name will do where the row itself is not known to the compiler.
 */
export type ValueNameOf<Spec extends ResNetSpec> = Spec extends unknown
  ? ResNetSpec extends Spec
    ? string
    : "image" | OutputOf<Spec> | StageOf<Spec> | Within<BlockOf<Spec> | LayerOf<Spec>>
  : never;

/** A value, or one that lies in it: `layer4.2` and `layer4.2.relu`, `conv1` and `conv1.weight`. */
type Within<Name extends string> = Name | `${Name}.${string}`;

type StageOf<Spec extends ResNetSpec> =
  | `layer${StageNumberOf<Spec>}`
  | (Spec extends { readonly stem: "none" } ? never : "stem")
  | (Spec extends { readonly classes: 0 } ? never : "avgpool" | "logits" | "cam");

/** 1 to the number of stages; any number where their number is not known. */
type StageNumberOf<Spec extends ResNetSpec> = number extends Spec["depths"]["length"]
  ? number
  : Exclude<Extract<keyof (readonly [never, ...Spec["depths"]]), `${number}`>, "0">;

type BlockOf<Spec extends ResNetSpec> = {
  readonly layer: `layer${StageNumberOf<Spec>}.${number}`;
  readonly res: `res${number}`;
  readonly block: "block";
  readonly blocks: `blocks.${number}`;
}["blockNames" extends keyof Spec ? NonNullable<Spec["blockNames"]> : "layer"];

/** Outside of the blocks. */
type LayerOf<Spec extends ResNetSpec> =
  | `${"conv" | "bn" | "relu"}${number | ""}`
  | "maxpool"
  | (Spec extends { readonly stem: "keras" } ? "pad" : never)
  | (Spec extends { readonly classes: 0 } ? never : "final_relu" | "flatten" | "fc");
