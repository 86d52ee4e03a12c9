/** How a convolution in groups is composed of operators. dialects.ts gives the reason for each engine's form. */
export type GroupedForm = "depthwise" | "split";

/** The operators of an engine, and the forms that it runs fastest. */
export interface Dialect {
  /** Whether convolutions have a padding for each side; if not, the image is padded first. */
  readonly padsConvolutions: boolean;
  /** As above, for max pools. */
  readonly padsPools: boolean;
  /** The form of a convolution with this number of input channels in each group. */
  readonly grouped: (channels: number) => GroupedForm;
  /** Whether a convolution is lowered to a matrix product. */
  readonly multiplies: (convolution: ProductSizes) => boolean;
}

/** The sizes of a convolution as a matrix product. */
interface ProductSizes {
  /** Pixels of the output. */
  readonly pixels: number;
  /** Numbers of one kernel in one channel: height times width. */
  readonly taps: number;
  /** Numbers of all kernels. */
  readonly weights: number;
}
