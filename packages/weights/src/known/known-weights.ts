import type { Preprocessing } from "@residual/core";

/** Trained weights that have a name. */
export interface KnownWeights {
  /** The name, such as `torchvision/resnet50.v2`. */
  readonly name: string;
  /** The name in core of the model that the weights belong to. */
  readonly model: string;
  /** The address of the file. */
  readonly url: string;
  /** The size of the file in bytes. Undefined if it is not published. */
  readonly bytes?: number | undefined;
  /** The approximate size in bytes, if the exact size is not known. */
  readonly bytesAbout?: number | undefined;
  /** The file's SHA-256 in hexadecimal digits: all 64, or the first 8. */
  readonly sha256?: string | undefined;
  readonly md5?: string | undefined;
  /** The preprocessing with which the published accuracy was measured. */
  readonly preprocessing?: Preprocessing | undefined;
  /** Top-1 accuracy in percent on the validation images of the training data set. */
  readonly top1?: number | undefined;
  /** SPDX identifier. Undefined if the publisher names no licence. */
  readonly license?: string | undefined;
  /** The reason why Residual cannot use the weights. Undefined if it can. */
  readonly refused?: string | undefined;
}
