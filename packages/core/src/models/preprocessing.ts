/** How a resized pixel is computed from its neighbours, by Pillow's names. */
export type Interpolation = "nearest" | "box" | "bilinear" | "hamming" | "bicubic" | "lanczos";

/** What becomes of a picture before a model sees it: torchvision's evaluation transform, in numbers. */
export interface Preprocessing {
  /** What the shorter side becomes, in pixels. */
  readonly resize: number;
  /** Both sides of the square cut from the middle, in pixels. */
  readonly crop: number;
  readonly interpolation: Interpolation;
  /** What a byte is divided by: 255, or 1 for a model that reads raw bytes. */
  readonly scale: number;
  /** Of red, green and blue, after the division. */
  readonly mean: readonly number[];
  readonly std: readonly number[];
  /** Whether a photo is turned as its EXIF data says, before all else. torchvision does not, a browser does. */
  readonly upright?: boolean;
}
