import { BackendUnavailableError } from "@residual/core";
import { shown } from "@residual/kit/bytes";
import type { ImageFormat } from "./image-format.ts";

/** A decoder's module. Throws BackendUnavailableError where it does not come, as on a page that went offline. */
export async function loadDecoder<Decoder>(format: ImageFormat, load: () => Promise<Decoder>): Promise<Decoder> {
  try {
    return await load();
  } catch (cause) {
    const why = shown(String(cause), 300);
    throw new BackendUnavailableError(
      `the decoder of ${format} does not load (${why}); check the network, and load the page again`,
      { cause },
    );
  }
}

/** `load`, whose first result is kept: an import takes 30 µs each time. What failed is tried again. */
export function once<T extends object>(load: () => Promise<T>): () => Promise<T> {
  let kept: T | undefined;
  return async () => {
    kept ??= await load();
    return kept;
  };
}
