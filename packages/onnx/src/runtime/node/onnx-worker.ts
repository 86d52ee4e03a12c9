/**
 * onnxruntime-node in a worker thread, since its create() and run() block their thread. Jobs are done one after the
 * other.
 */
import threads from "node:worker_threads"; // the default import, since Node 20 lacks a named export
import { type OnnxRuntime, StatefulSession } from "../inference.ts";
import type { ToThread } from "../protocol.ts";
import { serveJobs } from "../serve-jobs.ts";
import { whileGuarded } from "./exit-guard.ts";
import { importRuntime } from "./import-runtime.ts";
import type { ThreadSetup } from "./thread.ts";

const port = threads.parentPort!;
const { runtime: specifier, options, guard, warmUp } = threads.workerData as ThreadSetup;
/** Node 20 cannot report it. */
const { isMarkedAsUntransferable = () => true } = threads as Partial<typeof threads>;

const receive = serveJobs(load(), {
  reply: (message, transfer) => port.postMessage(message, transfer),
  nextTurn: () => new Promise((resolve) => setImmediate(resolve)),
  enter: (work) => whileGuarded(guard, work),
  isTransferable: (buffer) => !isMarkedAsUntransferable(buffer),
});
port.on("message", (message: ToThread) => receive(message));

/** The first session takes 30 ms longer than later ones; it is created while the model is prepared. */
async function load(): Promise<OnnxRuntime> {
  const runtime = await whileGuarded(guard, () => importRuntime(specifier));
  await whileGuarded(guard, async () => (await StatefulSession.create(runtime, { model: warmUp }, options)).release());
  reuseFreedMemory();
  return runtime;
}

/**
 * Weights are copied several times while onnxruntime optimizes. glibc maps each copy that is larger than any freed
 * block anew, page by page. Allocating one large block and freeing it, untouched, makes glibc keep freed memory and
 * reuse it: 12,000 of 80,000 page faults fewer for ResNet-50. On other systems it does nothing. 32 MiB is glibc's
 * limit.
 */
function reuseFreedMemory(): void {
  const block: ArrayBuffer & { transfer?(length: number): ArrayBuffer } = new ArrayBuffer((32 << 20) - (64 << 10));
  block.transfer?.(0); // Node 20 has no way to free it at once
}
