// The program of a thread that reads and decodes pictures: see picture-reader.ts.
import { parentPort, workerData } from "node:worker_threads";
import { sizeOf } from "@residual/core";
import { type Batch, type BatchOptions, pictureBatches } from "./picture-batches.ts";
import { BATCHES_AHEAD, type FromThread, type ToThread } from "./picture-reader.ts";

const options = workerData as BatchOptions;
const { crop } = options.preprocessing;
const size = sizeOf([options.batch, 3, crop, crop]);
const free = Array.from({ length: BATCHES_AHEAD }, () => new Float32Array(size));
let wake = () => {};

async function take(): Promise<Batch["data"]> {
  for (;;) {
    const data = free.pop();
    if (data) return data;
    await new Promise<void>((resolve) => {
      wake = resolve;
    });
  }
}

const post = (message: FromThread, moved: readonly ArrayBuffer[] = []) => parentPort!.postMessage(message, moved);

parentPort!.on("message", (message: ToThread) => {
  if (message.kind === "start") void send(message.items);
  else {
    free.push(message.data);
    wake();
  }
});

async function send(items: Parameters<typeof pictureBatches>[0]): Promise<void> {
  for await (const batch of pictureBatches(items, options, take)) post({ kind: "batch", batch }, [batch.data.buffer]);
  post({ kind: "end" });
}
