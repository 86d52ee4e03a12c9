/** The part of libwebp's WebAssembly build that Residual uses. */
export interface WebpCodec {
  /** A copy of the pixels, as RGBA with alpha not multiplied in; null for a file that libwebp refuses. */
  decode(file: Uint8Array): WebpImage | null;
}

interface WebpImage {
  readonly width: number;
  readonly height: number;
  readonly data: Uint8ClampedArray<ArrayBuffer>;
}

export const wasm: { readonly size: number; readonly packed: string };
export default function create(options: object): Promise<WebpCodec>;
