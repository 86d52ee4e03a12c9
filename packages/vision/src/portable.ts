import type { BackendUnavailableError, UnsupportedError } from "@residual/core";
import { type FileOptions, own } from "./decode.ts";
import { type ImageFormat, imageFormats } from "./image-format.ts";
import { loadDecoder, once } from "./load-decoder.ts";
import type { Pixels } from "./pixels.ts";

/** What a platform says of files that are not decoded here. */
export interface PortablePlatform {
  /** The error for a kind of picture that is not decoded: `a JPEG of 12 bits`. */
  readonly refusal: (found: string) => BackendUnavailableError | UnsupportedError;
  /** Another way to have a picture decoded: `save it as PNG`. */
  readonly otherwise: string;
  /** What to do where WebAssembly does not load. */
  readonly codecAdvice: string;
}

export interface PortableOptions extends FileOptions {
  readonly platform: PortablePlatform;
}

type Decode = (bytes: Uint8Array, options: PortableOptions) => Promise<Pixels>;

/** Decoders without native code. Each is imported when the first such file comes. */
const decoders: { readonly [format in ImageFormat]?: () => Promise<Decode> } = {
  JPEG: once(async () => (await import("./jpeg.ts")).decodeJpeg),
  PNG: once(async () => (await import("./png.ts")).decodePng),
  WebP: once(async () => (await import("./webp.ts")).decodeWebp),
};

/** The formats that are decoded without native code. */
export const portableFormats: readonly ImageFormat[] = imageFormats.filter(
  (format) => own[format] !== undefined || decoders[format] !== undefined,
);

/**
 * The pixels of a JPEG, PNG or WebP file without native code, bit for bit those that sharp gives: in browsers, and in
 * Node where sharp does not load. Throws the platform's refusal for other files, FormatError, OutOfMemoryError, and
 * BackendUnavailableError where WebAssembly does not load.
 */
export async function decodePortably(
  bytes: Uint8Array,
  format: ImageFormat,
  options: PortableOptions,
): Promise<Pixels> {
  const load = decoders[format];
  if (!load) throw options.platform.refusal(format);
  return (await loadDecoder(format, load))(bytes, options);
}
