import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { setTimeout } from "node:timers/promises";
import { fileURLToPath } from "node:url";

/** When a run is killed: after this many events, and some milliseconds. */
export interface Moment {
  readonly events: number;
  readonly ms: number;
}

/** Runs killable-run.ts to its end, or kills it. Returns the number of its events. */
export async function runInChild(out: string, moment?: Moment): Promise<number> {
  const path = fileURLToPath(new URL("./killable-run.ts", import.meta.url));
  const child = spawn(process.execPath, ["--conditions=@residual/source", path, out], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const ended = once(child, "exit");
  let events = 0;
  for await (const _ of createInterface({ input: child.stdout })) {
    events++;
    if (events !== moment?.events) continue;
    await setTimeout(moment.ms);
    child.kill("SIGKILL");
    break;
  }
  const [code, signal] = (await ended) as [number | null, string | null];
  if (code !== 0 && signal !== "SIGKILL") throw new Error(`the run ended with ${code ?? signal}`);
  return events;
}
