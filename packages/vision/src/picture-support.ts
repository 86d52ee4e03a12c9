import type { ImageFormat } from "./image-format.ts";

/** What decodes pictures on this machine. */
export interface PictureSupport {
  /** With its version: `sharp 0.35.5 (libvips 8.18.7)`. `portable` where decoders without native code stand in. */
  readonly library: string;
  readonly formats: readonly ImageFormat[];
  /** Why sharp does not decode, where it could, and the command that installs it. */
  readonly reason?: string;
}
