/** How a convolution in groups is composed of operators. dialects.ts gives the reason for each engine's form. */
export type GroupedForm = "depthwise" | "split";

/** TensorFlow's operator for it, or a convolution of the images by dy, with images in place of channels. */
type WeightGradientForm = "operator" | "convolution";

/** Loops on the caller's thread, or a comparison of each pixel of the windows with their maximum. */
type PoolGradientForm = "loops" | "comparisons";

/** The operators of an engine, and the forms that it runs fastest. */
export interface Dialect {
  /** Whether convolutions have a padding for each side; if not, the image is padded first. */
  readonly padsConvolutions: boolean;
  /** As above, for max pools. */
  readonly padsPools: boolean;
  /** The form of a convolution in groups. */
  readonly grouped: (convolution: GroupedSizes) => GroupedForm;
  /** The form of the gradients of convolutions with respect to their weights. */
  readonly weightGradients: WeightGradientForm;
  /** The form of the gradients of max pools. */
  readonly poolGradients: PoolGradientForm;
  /** Whether sums over images and pixels are products with ones. */
  readonly sumsByProducts: boolean;
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
