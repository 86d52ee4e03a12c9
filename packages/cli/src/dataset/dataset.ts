import type { FormatError, Preprocessing, Shape, Tensor } from "@residual/core";
import type { DecodeOptions } from "@residual/vision";

/** A picture as its model's input, with its class. */
export interface Sample {
  readonly label: number;
  /** [1, C, H, W] */
  readonly image: Tensor<"float32">;
}

/** Labelled pictures in order; each is read on demand. */
export interface Dataset extends AsyncDisposable {
  readonly images: number;
  /** An open batch with the size of its images; undefined if the preprocessing decides the size. */
  readonly input?: Shape;
  /** How the labels were assigned, if that is not obvious, and skipped files. */
  readonly notes: readonly string[];
  /** The name of picture `index`. */
  nameOf(index: number): string;
  /**
   * Picture `index`, or the error of a single damaged picture. Throws FormatError if the whole data set is damaged, and
   * for a class that the model does not have.
   */
  sample(index: number, preprocessing: Preprocessing, options: DecodeOptions): Promise<Sample | FormatError>;
}
