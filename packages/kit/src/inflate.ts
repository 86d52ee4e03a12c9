import { timeSlices } from "./turns.ts";

/** In bytes. Deflate expands a piece to at most 1032 times its size, and browsers hold the expanded piece in memory. */
const PIECE = 32 << 10;

/** Source: RFC 1951: two bits stand for 258 bytes at best. */
const MOST_EXPANSION = 1032;

/**
 * Decompresses deflate data: `deflate-raw` in a zip, `deflate` with zlib's header and checksum. Calls `refuse` if the
 * data are damaged or do not decompress to exactly `size` bytes. Takes no more memory than `size`. Yields to the event
 * loop every few milliseconds.
 */
export async function inflate(
  bytes: Uint8Array,
  format: "deflate" | "deflate-raw",
  size: number,
  refuse: (reason: string) => never,
): Promise<Uint8Array<ArrayBuffer>> {
  if (size > bytes.length * MOST_EXPANSION)
    refuse(`its compressed data are ${bytes.length} bytes, too few for ${size}`);
  const unpacked = new Uint8Array(size);
  let [given, done] = [0, 0];
  const packed = new ReadableStream<Uint8Array<ArrayBuffer>>({
    pull(controller) {
      if (given === bytes.length) return controller.close();
      controller.enqueue(new Uint8Array(bytes.subarray(given, given + PIECE))); // the stream may detach the copy
      given = Math.min(given + PIECE, bytes.length);
    },
  });
  const stream: ReadableStream<Uint8Array> = packed.pipeThrough(new DecompressionStream(format));
  const reader = stream.getReader();
  const breathe = timeSlices();
  for (;;) {
    const { value } = await reader.read().catch(() => refuse("its compressed data are damaged"));
    if (!value) break;
    if (done + value.length > size) {
      await reader.cancel().catch(() => {}); // rejects if the stream failed meanwhile
      return refuse(`its compressed data are more than ${size} bytes`);
    }
    unpacked.set(value, done);
    done += value.length;
    await breathe();
  }
  return done === size ? unpacked : refuse(`its compressed data are ${done} bytes, expected ${size}`);
}
