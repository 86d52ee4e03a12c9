import { BackendUnavailableError } from "@residual/core";
import type { FileOptions } from "./decode.ts";
import type { ImageFormat } from "./image-format.ts";
import type { Pixels } from "./pixels.ts";

export interface PortableOptions extends FileOptions {
  /** Why sharp does not decode, with the command that installs it. */
  readonly whyNoSharp: string;
}

type Decode = (bytes: Uint8Array, options: PortableOptions) => Promise<Pixels>;

/** The formats that are decoded without native code. Each decoder is imported when there is such a file. */
const decoders: { readonly [format in ImageFormat]?: () => Promise<Decode> } = {
  JPEG: async () => (await import("./jpeg.ts")).decodeJpeg,
  PNG: async () => (await import("./png.ts")).decodePng,
};

/**
 * The pixels of a JPEG or PNG file without sharp, bit for bit those that sharp gives. Throws BackendUnavailableError
 * for what sharp alone decodes.
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
