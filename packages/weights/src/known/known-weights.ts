import type { Preprocessing } from "@residual/core";

/** Trained weights that go by a name. */
export interface KnownWeights {
  /** `torchvision/resnet50.v2` */
  readonly name: string;
  /** The model that they are for, by its name in core. */
  readonly model: string;
  /** Where the file is. */
  readonly url: string;
  /** The size of the file. Undefined where it is not published. */
  readonly bytes?: number | undefined;
  /** About what the size is, where it is not known exactly. */
  readonly bytesAbout?: number | undefined;
  /** The file's SHA-256 in hexadecimal digits: all 64, or the first 8. */
  readonly sha256?: string | undefined;
  readonly md5?: string | undefined;
  /** What the published accuracy was measured with. */
  readonly preprocessing?: Preprocessing | undefined;
  /** Top-1 accuracy in percent on the validation images of the data set that they were trained on. */
  readonly top1?: number | undefined;
  /** SPDX. Undefined where the publisher names none. */
  readonly license?: string | undefined;
  /** Why they cannot be used here. Undefined where they can. */
  readonly refused?: string | undefined;
}
