/**
 * onnxruntime-node in a thread of its own, since its create() and run() block the thread they are called on. Jobs are
 * done one after the other.
 */
import threads from "node:worker_threads"; // by its default: Node 20 lacks one of its names
import { type OnnxRuntime, StatefulSession } from "../inference.ts";
import type { ToThread } from "../protocol.ts";
import { serveJobs } from "../serve-jobs.ts";
import { whileGuarded } from "./exit-guard.ts";
import { importRuntime } from "./import-runtime.ts";
import type { ThreadSetup } from "./thread.ts";

const port = threads.parentPort!;
const { runtime: specifier, options, guard, warmUp } = threads.workerData as ThreadSetup;
/** Node 20 cannot tell. */
const { isMarkedAsUntransferable = () => true } = threads as Partial<typeof threads>;

const receive = serveJobs(load(), {
  reply: (message, transfer) => port.postMessage(message, transfer),
  nextTurn: () => new Promise((resolve) => setImmediate(resolve)),
  enter: (work) => whileGuarded(guard, work),
  isTransferable: (buffer) => !isMarkedAsUntransferable(buffer),
});
port.on("message", (message: ToThread) => receive(message));

/** The first session takes 30 ms more than later ones, which it can take while the model is being prepared. */
async function load(): Promise<OnnxRuntime> {
  const runtime = await whileGuarded(guard, () => importRuntime(specifier));
  await whileGuarded(guard, async () => (await StatefulSession.create(runtime, { model: warmUp }, options)).release());
  reuseFreedMemory();
  return runtime;
}

/**
 * Weights are copied from one place to another while they are optimized. glibc maps each copy that is larger than any
 * freed so far afresh, page by page; one large block, never touched and freed at once, makes it keep what is freed and
 * give it out again: 12,000 of 80,000 page faults less for ResNet-50. Elsewhere it does nothing. 32 MiB is glibc's own
 * limit.
 */
function reuseFreedMemory(): void {
  const block: ArrayBuffer & { transfer?(length: number): ArrayBuffer } = new ArrayBuffer((32 << 20) - (64 << 10));
  block.transfer?.(0); // Node 20 has no way to free it at once
}
