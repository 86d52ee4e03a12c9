import { FormatError } from "../ir/errors.ts";

/** How a resized pixel is computed from its neighbours, by Pillow's names. */
export const interpolations = ["nearest", "box", "bilinear", "hamming", "bicubic", "lanczos"] as const;
export type Interpolation = (typeof interpolations)[number];

/** The steps from a picture to a model's input: torchvision's evaluation transform, in numbers. */
export interface Preprocessing {
  /** The shorter side after resizing, in pixels. */
  readonly resize: number;
  /** Side of the square that is cut from the middle, in pixels. */
  readonly crop: number;
  readonly interpolation: Interpolation;
  /** Divisor of each byte: 255, or 1 for a model that reads raw bytes. */
  readonly scale: number;
  /** For red, green and blue, after the division. */
  readonly mean: readonly number[];
  readonly std: readonly number[];
  /**
   * The order of channels that the model reads. Mean and std are always in the order red, green, blue. Default "rgb"
   */
  readonly channels?: "rgb" | "bgr";
  /** Whether a photo is first turned as its EXIF data says. torchvision does not turn photos; browsers do. */
  readonly upright?: boolean;
}

/** In pixels. A crop of 4,096 is a tensor of 201 MB; larger crops are a mistake or an attack. */
const LARGEST_SIDE = 4096;

/**
 * The preprocessing that a weights file carries as JSON: `{"resize": 256, "crop": 224, "interpolation": "bilinear",
 * "scale": 255, "mean": [r, g, b], "std": [r, g, b]}`. If `size` is present, it must be `[crop, crop]`. `channels` and
 * `upright` are optional, other fields are ignored. Throws FormatError with the field, what was found and what was
 * expected.
 */
export function readPreprocessing(json: string): Preprocessing {
  return checkPreprocessing(parse(json));
}

/** The same checks for an object that a caller made from known numbers and options. */
export function checkPreprocessing(value: unknown): Preprocessing {
  const fields = objectOf(value);
  const crop = side(fields, "crop");
  checkSize(fields, crop);
  return {
    resize: side(fields, "resize"),
    crop,
    interpolation: field(fields, "interpolation", `one of ${interpolations.join(", ")}`, isInterpolation),
    scale: field(fields, "scale", "a number above 0", isPositive),
    mean: [...field(fields, "mean", "3 numbers", isTripleOf(isFloat32))],
    std: [...field(fields, "std", "3 numbers above 0", isTripleOf(isPositive))],
    ...(fields.has("channels") && { channels: field(fields, "channels", "rgb or bgr", isOrder) }),
    ...(fields.has("upright") && { upright: field(fields, "upright", "true or false", isBoolean) }),
  };
}

function parse(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch (cause) {
    throw new FormatError(`preprocessing: found ${show(json)}, expected JSON`, { cause });
  }
}

/** A Map, so that `__proto__` and similar names are ordinary keys. */
function objectOf(value: unknown): ReadonlyMap<string, unknown> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new FormatError(
      `preprocessing: found ${show(value)}, expected an object with resize, crop, mean, std and so on`,
    );
  }
  return new Map(Object.entries(value).filter(([, item]) => item !== undefined));
}

function checkSize(fields: ReadonlyMap<string, unknown>, crop: number): void {
  if (!fields.has("size")) return;
  const isSquare = (size: unknown): size is number[] =>
    Array.isArray(size) && size.length === 2 && size.every((n) => n === crop);
  field(fields, "size", `[${crop}, ${crop}], as crop says`, isSquare);
}

function side(fields: ReadonlyMap<string, unknown>, name: string): number {
  return field(fields, name, `a whole number from 1 to ${LARGEST_SIDE}`, isSide);
}

function field<T>(
  fields: ReadonlyMap<string, unknown>,
  name: string,
  expected: string,
  holds: (value: unknown) => value is T,
): T {
  const value = fields.get(name);
  if (holds(value)) return value;
  throw new FormatError(
    `preprocessing.${name}: found ${fields.has(name) ? show(value) : "nothing"}, expected ${expected}`,
  );
}

function isSide(value: unknown): value is number {
  return Number.isInteger(value) && (value as number) >= 1 && (value as number) <= LARGEST_SIDE;
}

/** Numbers are used as float32; a number that overflows float32 is refused. */
function isFloat32(value: unknown): value is number {
  return typeof value === "number" && Number.isFinite(Math.fround(value));
}

/** Above 0 also as a float32, since it is a divisor. */
function isPositive(value: unknown): value is number {
  return isFloat32(value) && Math.fround(value) > 0;
}

function isTripleOf(holds: (value: unknown) => value is number): (value: unknown) => value is readonly number[] {
  return (value): value is readonly number[] => Array.isArray(value) && value.length === 3 && value.every(holds);
}

function isInterpolation(value: unknown): value is Preprocessing["interpolation"] {
  return (interpolations as readonly unknown[]).includes(value);
}

function isOrder(value: unknown): value is "rgb" | "bgr" {
  return value === "rgb" || value === "bgr";
}

function isBoolean(value: unknown): value is boolean {
  return typeof value === "boolean";
}

/** Shortened: the value may be anything, of any length. */
function show(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value);
  return text.length > 60 ? `${text.slice(0, 60)}…` : text;
}
