/** A thread that takes part in 40 runs, and then ends as by a crash. */
import { parentPort } from "node:worker_threads";
import type { ToThread } from "../threads/protocol.ts";
import "../threads/wasm-worker.ts";

let runs = 0;
parentPort!.on("message", ({ kind }: ToThread) => {
  if (kind === "take part" && ++runs > 40) process.exit(1);
});
