// The program of a thread that makes batches: see threads.ts.
import { parentPort } from "node:worker_threads";
import { sentError } from "@residual/kit/sent-error";
import { makeBatch } from "./make-batch.ts";
import { unpack } from "./packed-examples.ts";
import type { BatchReply, PackedRequest } from "./threads.ts";

parentPort!.on("message", (request: PackedRequest) => void answer(request));

async function answer({ packed, ...rest }: PackedRequest): Promise<void> {
  try {
    const batch = await makeBatch({ ...rest, examples: unpack(packed) });
    reply({ batch }, [batch.image.data.buffer as ArrayBuffer, batch.target.data.buffer as ArrayBuffer]);
  } catch (error) {
    reply({ error: sentError(error) });
  }
}

/** The arrays are moved, not copied. */
function reply(message: BatchReply, moved: readonly ArrayBuffer[] = []): void {
  parentPort!.postMessage(message, moved);
}
