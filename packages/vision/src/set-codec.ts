import { describeValue, UnsupportedError } from "@residual/core";

/** The formats that WebAssembly decodes, where sharp does not. */
export type CodecFormat = "JPEG" | "WebP";

const given = new Map<CodecFormat, object>();

/**
 * Hands over the compiled decoder of a format, for platforms that compile no WebAssembly at run time, such as
 * Cloudflare's workers. It is a WebAssembly.Module of what `codecBytes` of the same version gives, and counts for
 * pictures that are decoded after it. Throws UnsupportedError for another value.
 */
export function setCodec(format: CodecFormat, module: object): void {
  if (Object.prototype.toString.call(module) !== "[object WebAssembly.Module]")
    throw new UnsupportedError(
      `the decoder of ${format} is ${describeValue(module)}, expected a WebAssembly.Module of codecBytes("${format}")`,
    );
  given.set(format, module);
}

/** The decoder that was handed over. */
export function codecGiven(format: CodecFormat): object | undefined {
  return given.get(format);
}

/** The WebAssembly of the decoder of a format, to be compiled ahead. */
export async function codecBytes(format: CodecFormat): Promise<Uint8Array<ArrayBuffer>> {
  const { unpacked } = await import("./codec.ts");
  const codecs = {
    JPEG: () => import("../codecs/libjpeg-turbo.js"),
    WebP: () => import("../codecs/libwebp.js"),
  };
  return unpacked((await codecs[format]()).wasm);
}
