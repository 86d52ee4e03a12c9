import { FormatError } from "@residual/core";
import { bytesReader, fetchBytes, type ReadOptions } from "./read.ts";
import type { ByteSource } from "./source.ts";

export { type ReadOptions, withResponse } from "./read.ts";
export { shown } from "./shown.ts";
export { type ByteSource, nameOf, type UrlLike } from "./source.ts";

/**
 * The bytes of a ByteSource in a page. Text is a URL relative to the page. Memory is not copied, so the result may be a
 * view of the caller's bytes.
 *
 * Throws FormatError for a value of another type, a `file:` URL, a failed request, an HTTP error status, a stream that
 * fails, and more than `maxBytes`; AbortError; OutOfMemoryError.
 */
export const readBytes: (source: ByteSource, options?: ReadOptions) => Promise<Uint8Array> = bytesReader({
  readPath: async (text, reading) => {
    if (!/^file:/i.test(text)) return fetchBytes(text, reading);
    const { name, expected } = reading;
    throw new FormatError(
      `${name}: a browser reads no files by name, expected ${expected}; give the File that the user chose, or an ` +
        "address on the web",
    );
  },
  fetchAdvice: "check the address, the network, and that the server lets this page's origin read it (CORS)",
});

/** Browsers cannot read files by path. */
export async function pathOf(_source: unknown): Promise<undefined> {}
