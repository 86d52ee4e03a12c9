// The program of a thread that decodes and draws pictures: see decoding-thread.ts.
import { parentPort } from "node:worker_threads";
import { encodeImage, overlayCam } from "@residual/vision";
import { sentError } from "../child-process/protocol.ts";
import { imageOf, readPicture } from "../pictures.ts";
import {
  buffersOf,
  type Decoded,
  type DecodeReply,
  type DecodeRequest,
  type Drawn,
  type DrawRequest,
} from "./decoding-thread.ts";

parentPort!.on("message", (request: DecodeRequest | DrawRequest) => void answer(request));

async function answer(request: DecodeRequest | DrawRequest): Promise<void> {
  try {
    if ("cam" in request) await draw(request);
    else await decode(request);
  } catch (error) {
    reply({ error: sentError(error) });
  }
}

async function draw({ cam }: DrawRequest): Promise<void> {
  const file = Uint8Array.from(await encodeImage(overlayCam(cam)));
  reply({ file }, file);
}

async function decode({ picture, keepsPixels, ...options }: DecodeRequest): Promise<void> {
  if (!keepsPixels) {
    const image = await imageOf(picture, options, undefined);
    return reply({ image }, image.data);
  }
  const { image, pixels } = await readPicture(picture, options, undefined);
  const data = Uint8Array.from(pixels.data); // a decoder's own memory cannot be transferred
  reply({ image, pixels: { ...pixels, data } }, image.data, data);
}

/** The arrays are moved, not copied. */
function reply(message: DecodeReply<Decoded | Drawn>, ...moved: readonly ArrayBufferView<ArrayBufferLike>[]): void {
  parentPort!.postMessage(message, buffersOf(moved));
}
