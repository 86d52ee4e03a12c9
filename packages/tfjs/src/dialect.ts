/** How a convolution in groups is made of operators. dialects.ts has the reason for each engine's choice. */
export type GroupedForm = "depthwise" | "split";

/** What an engine's operators take, and in which form it is quickest. */
export interface Dialect {
  /** Whether convolutions take a padding for each side; else the image is padded before. */
  readonly padsConvolutions: boolean;
  /** The same for max pools. */
  readonly padsPools: boolean;
  /** The form of a convolution with this number of input channels in each group. */
  readonly grouped: (channels: number) => GroupedForm;
  /** Whether a convolution is a product of matrices. */
  readonly multiplies: (convolution: ProductSizes) => boolean;
}

/** What a convolution would be as a product of matrices. */
interface ProductSizes {
  /** Pixels of the answer. */
  readonly pixels: number;
  /** Numbers of one kernel in one channel: height times width. */
  readonly taps: number;
  /** Numbers of all kernels. */
  readonly weights: number;
}
