/** Where a number of a value stands: [N, C, H, W] with one image; `row` and `column` are 0 for [N, C]. */
export interface Place {
  readonly channel: number;
  readonly row: number;
  readonly column: number;
}

/** Numbers under a window, row by row; null is padding. */
export type Patch = readonly (number | null)[];

/** One input channel's part of a sum of products. */
export interface Term {
  readonly channel: number;
  readonly patch: Patch;
  readonly kernel: readonly number[];
  /** Σ patch × kernel. */
  readonly sum: number;
}

/** The window of an input map that a number is made from. It may reach over the border, into padding. */
export interface Window {
  readonly top: number;
  readonly left: number;
  readonly height: number;
  readonly width: number;
  /** Height and width of the input's maps. */
  readonly of: readonly [number, number];
}

/** The arithmetic that makes one number, in float64. */
export type Explanation =
  | {
      readonly kind: "sum";
      /** Height and width of the kernel. */
      readonly kernel: readonly [number, number];
      readonly window: Window;
      /** The parts of largest magnitude, largest first. */
      readonly terms: readonly Term[];
      /** The magnitude order of all parts: input channels, and their sums. */
      readonly channels: readonly number[];
      readonly sums: readonly number[];
      /** The parts that `terms` leaves out. */
      readonly rest: { readonly count: number; readonly sum: number };
      readonly products: number;
      readonly bias?: number;
      readonly residual?: number;
      readonly relu: boolean;
    }
  | {
      readonly kind: "norm";
      readonly x: number;
      readonly mean: number;
      readonly variance: number;
      readonly epsilon: number;
      readonly scale: number;
      readonly shift: number;
      readonly gain: number;
    }
  | { readonly kind: "join"; readonly sign: "+" | "×"; readonly a: number; readonly b: number }
  | {
      readonly kind: "window";
      readonly how: "max" | "mean";
      /** Height and width of the patch. */
      readonly size: readonly [number, number];
      readonly window: Window;
      readonly patch: Patch;
    }
  | { readonly kind: "function"; readonly name: "relu" | "sigmoid"; readonly x: number }
  | { readonly kind: "softmax"; readonly log: boolean; readonly x: number; readonly total: number }
  /** Without `from` the number is a zero that the layer adds. */
  | { readonly kind: "copy"; readonly from?: Place };
