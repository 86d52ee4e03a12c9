import { AbortError } from "@residual/core";
import type { Run } from "./run.ts";

/**
 * The loop of training: the batches of each epoch, then a look at the held-out pictures. After an abort the finished
 * steps are written as a checkpoint, and AbortError is thrown.
 */
export async function train(run: Run): Promise<void> {
  try {
    while (!run.isOver) {
      for await (const batch of run.batches()) {
        await run.step(batch);
        if (run.isCheckpointDue) await run.save();
      }
      await run.endEpoch();
    }
  } catch (error) {
    if (error instanceof AbortError) await run.save();
    throw error;
  }
}
