import type { FormatError, Preprocessing, Shape, Tensor } from "@residual/core";
import type { DecodeOptions } from "@residual/vision";

/** A picture as its model sees it, and the class that it is of. */
export interface Sample {
  readonly label: number;
  /** [1, C, H, W] */
  readonly image: Tensor<"float32">;
}

/** Labelled pictures, in order, each read only when it is asked for. */
export interface Dataset extends AsyncDisposable {
  readonly images: number;
  /** An open batch of the images that it brings as they are; undefined where the preprocessing decides. */
  readonly input?: Shape;
  /** How the labels were found, where that may surprise, and what was passed over. */
  readonly notes: readonly string[];
  /** What picture `index` is called. */
  nameOf(index: number): string;
  /**
   * Picture `index`; the error of a picture that alone is damaged. Throws FormatError where the whole data are not what
   * they should be, and for a class that the model does not have.
   */
  sample(index: number, preprocessing: Preprocessing, options: DecodeOptions): Promise<Sample | FormatError>;
}
