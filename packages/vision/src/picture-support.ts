import type { ImageFormat } from "./image-format.ts";

/** The picture decoder of this machine. */
export interface PictureSupport {
  /** With its version: `sharp 0.35.5 (libvips 8.18.7)`. `portable`: decoders without native code, in place of sharp. */
  readonly library: string;
  readonly formats: readonly ImageFormat[];
  /** In Node without sharp: why sharp does not load, and the command that installs it. */
  readonly reason?: string;
}
