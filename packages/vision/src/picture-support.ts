import type { ImageFormat } from "./image-format.ts";

/** What decodes pictures on this machine. */
export interface PictureSupport {
  /** Whether JPEG and PNG are read: GIF, BMP and PNM always are. */
  readonly available: boolean;
  /** With its version: `sharp 0.35.5 (libvips 8.18.7)`. */
  readonly library: string;
  readonly formats: readonly ImageFormat[];
  /** What is missing, and the command that installs it. */
  readonly reason: string | undefined;
}
