import { BackendUnavailableError } from "@residual/core";
import { type FileOptions, own } from "./decode.ts";
import { type ImageFormat, imageFormats } from "./image-format.ts";
import type { Pixels } from "./pixels.ts";

export interface PortableOptions extends FileOptions {
  /** Why sharp does not decode, with the command that installs it. */
  readonly whyNoSharp: string;
}

type Decode = (bytes: Uint8Array, options: PortableOptions) => Promise<Pixels>;

/** Decoders without native code, in place of sharp's. Each is imported when the first such file comes. */
const decoders: { readonly [format in ImageFormat]?: () => Promise<Decode> } = {
  JPEG: async () => (await import("./jpeg.ts")).decodeJpeg,
  PNG: async () => (await import("./png.ts")).decodePng,
};

/** The formats that are read without sharp. */
export const portableFormats: readonly ImageFormat[] = imageFormats.filter(
  (format) => own[format] !== undefined || decoders[format] !== undefined,
);

/**
 * The pixels of a JPEG or PNG file without sharp, bit for bit those that sharp gives. Throws BackendUnavailableError
 * for files that sharp alone decodes, FormatError and OutOfMemoryError.
 */
export async function decodePortably(
  bytes: Uint8Array,
  format: ImageFormat,
  options: PortableOptions,
): Promise<Pixels> {
  const decode = await decoders[format]?.();
  if (decode) return decode(bytes, options);
  throw new BackendUnavailableError(`found ${format}, which sharp alone decodes; ${options.whyNoSharp}`);
}
