import { once } from "node:events";
import { setTimeout } from "node:timers/promises";
import { Worker } from "node:worker_threads";
import { DeviceLostError, OutOfMemoryError, ResidualError, type Tensor, UnsupportedError } from "@residual/core";
import { type Program, programBeside } from "@residual/kit/files";
import type { SentError } from "@residual/kit/sent-error";
import type { CamPicture, Pixels } from "@residual/vision";
import { errorOf } from "../child-process/protocol.ts";
import type { ReadOptions } from "../pictures.ts";

export interface DecodeRequest extends ReadOptions {
  /** An image file. */
  readonly picture: Uint8Array;
  /** Whether the reply includes the pixels. */
  readonly keepsPixels: boolean;
}

/** A picture as the model's input, [1, 3, H, W]. */
export interface Decoded {
  readonly image: Tensor<"float32">;
  readonly pixels?: Pixels;
}

/** A map to be drawn over its picture. */
export interface DrawRequest {
  readonly cam: CamPicture;
}

export interface Drawn {
  /** A PNG. */
  readonly file: Uint8Array<ArrayBuffer>;
}

export type DecodeReply<Answer> = (Answer & { readonly error?: never }) | { readonly error: SentError };

/** Undefined in a bundle in CommonJS. */
const { url } = import.meta as { readonly url?: string };

/** MB of a thread's objects. Pixels are not among them. */
const HEAP = 256;

/** A thread that decodes or draws one picture at a time. A thread that ends is replaced by the next call. */
export class DecodingThread {
  /** The longest time for a picture, in ms. */
  readonly #timeout: number;
  readonly #program: Program;
  #worker: Worker | undefined;

  constructor(timeout: number, program: Program = programBeside(url, "decode-thread", "pipeline")) {
    this.#timeout = timeout;
    this.#program = program;
  }

  /**
   * Throws errors of `decodeImage`, OutOfMemoryError or DeviceLostError if the thread ends, UnsupportedError if the
   * picture takes longer than the timeout; the thread is then terminated.
   */
  async decode(request: DecodeRequest): Promise<Decoded> {
    return this.#answer<Decoded>(request);
  }

  /** Draws a map over its picture, whose pixels are moved to the thread. Throws as `decode`. */
  async draw(request: DrawRequest): Promise<Drawn> {
    return this.#answer<Drawn>(request, request.cam.pixels.data);
  }

  async #answer<Answer extends Decoded | Drawn>(
    request: DecodeRequest | DrawRequest,
    ...moved: readonly Uint8Array[]
  ): Promise<Answer> {
    const worker = this.#started();
    worker.ref();
    const settled = new AbortController();
    try {
      worker.postMessage(request, buffersOf(moved));
      const reply = await Promise.race([
        replyOf<Answer>(worker, settled.signal),
        endOf(worker, settled.signal),
        timeoutAfter(this.#timeout, settled.signal),
      ]);
      if (reply.error) throw errorOf(reply.error);
      return reply;
    } catch (error) {
      if (error instanceof Stuck) await worker.terminate();
      throw error instanceof ResidualError ? error : lossOf(error);
    } finally {
      settled.abort();
      worker.unref();
    }
  }

  async close(): Promise<void> {
    await this.#worker?.terminate();
  }

  #started(): Worker {
    if (this.#worker) return this.#worker;
    const { path, execArgv } = this.#program;
    const worker = new Worker(path, {
      execArgv: [...execArgv],
      name: "residual-decode",
      resourceLimits: { maxOldGenerationSizeMb: HEAP },
    });
    const forget = () => {
      if (this.#worker === worker) this.#worker = undefined;
    };
    worker.on("error", forget); // comes before the exit
    worker.once("exit", forget);
    this.#worker = worker;
    return worker;
  }
}

/** The memory of arrays as a message moves it to another thread. */
export function buffersOf(arrays: readonly ArrayBufferView<ArrayBufferLike>[]): readonly ArrayBuffer[] {
  return arrays.flatMap(({ buffer }) => (buffer instanceof ArrayBuffer ? buffer : []));
}

class Stuck extends UnsupportedError {}

async function replyOf<Answer>(worker: Worker, signal: AbortSignal): Promise<DecodeReply<Answer>> {
  const [reply] = (await once(worker, "message", { signal })) as [DecodeReply<Answer>];
  return reply;
}

/** Throws if the thread ends by itself; `once` throws the error that ends it. */
async function endOf(worker: Worker, signal: AbortSignal): Promise<never> {
  const [code] = (await once(worker, "exit", { signal })) as [number];
  throw new DeviceLostError(`the thread that decodes the picture has ended (exit code ${code})`);
}

function lossOf(cause: unknown): ResidualError {
  const { code, message } = cause as NodeJS.ErrnoException;
  if (code === "ERR_WORKER_OUT_OF_MEMORY") return new OutOfMemoryError(`no memory to decode the picture (${message})`);
  return new DeviceLostError(`the thread that decodes the picture has failed (${message})`, { cause });
}

async function timeoutAfter(ms: number, signal: AbortSignal): Promise<never> {
  await setTimeout(ms, undefined, { signal });
  throw new Stuck(`the picture took longer than ${ms / 1000} s; send a smaller one`);
}
