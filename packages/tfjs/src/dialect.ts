/** How a convolution in groups is composed of operators. dialects.ts gives the reason for each engine's form. */
export type GroupedForm = "depthwise" | "split";

/** The operators of an engine, and the forms that it runs fastest. */
export interface Dialect {
  /** Whether convolutions have a padding for each side; if not, the image is padded first. */
  readonly padsConvolutions: boolean;
  /** As above, for max pools. */
  readonly padsPools: boolean;
  /** The form of a convolution in groups. */
  readonly grouped: (convolution: GroupedSizes) => GroupedForm;
  /** Whether a convolution is lowered to a matrix product. */
  readonly multiplies: (convolution: ProductSizes) => boolean;
}

/** The sizes that the form of a convolution in groups depends on. */
export interface GroupedSizes {
  /** Input channels in each group. */
  readonly channels: number;
  /** Down and right, as in the graph. */
  readonly stride: readonly [number, number];
  readonly dilation: readonly [number, number];
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
