// The program of a thread that decodes pictures: see decoding-thread.ts.
import { parentPort } from "node:worker_threads";
import { sentError } from "../child-process/protocol.ts";
import { readPicture } from "../pictures.ts";
import type { DecodeReply, DecodeRequest } from "./decoding-thread.ts";

parentPort!.on("message", (request: DecodeRequest) => void answer(request));

async function answer({ picture, keepsPixels, ...options }: DecodeRequest): Promise<void> {
  try {
    const { image, pixels } = await readPicture(picture, options, undefined);
    if (!keepsPixels) return reply({ image }, image.data);
    const data = Uint8Array.from(pixels.data); // a decoder's own memory cannot be transferred
    reply({ image, pixels: { ...pixels, data } }, image.data, data);
  } catch (error) {
    reply({ error: sentError(error) });
  }
}

/** The arrays are moved, not copied. */
function reply(message: DecodeReply, ...moved: readonly ArrayBufferView<ArrayBufferLike>[]): void {
  parentPort!.postMessage(
    message,
    moved.flatMap(({ buffer }) => (buffer instanceof ArrayBuffer ? buffer : [])),
  );
}
