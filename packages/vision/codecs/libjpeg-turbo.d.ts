/** The part of libjpeg-turbo's WebAssembly build that Residual uses. */
export interface JpegCodec {
  readonly JPEGDecoder: new () => JpegDecoder;
  /** All of the codec's memory. */
  readonly HEAPU8: Uint8Array;
}

interface JpegDecoder {
  /** Room for the file, in the codec's memory. */
  getEncodedBuffer(length: number): Uint8Array;
  /** Throws a number for a file that libjpeg-turbo refuses or warns of. */
  decode(): void;
  getFrameInfo(): { readonly width: number; readonly height: number; readonly componentCount: number };
  /** The pixels, in the codec's memory, until `delete`: RGB, or grey where there is one component. */
  getDecodedBuffer(): Uint8Array;
  delete(): void;
}

export const wasm: { readonly size: number; readonly packed: string };
export default function create(options: object): Promise<JpegCodec>;
