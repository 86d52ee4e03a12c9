import { readdir, rm, stat, utimes, writeFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { abortError, throwIfAborted, type WorkOptions } from "@residual/core";
import { removeAtExit } from "./at-exit.ts";
import { isOver, ownedName, ownerOf } from "./owned-name.ts";

export interface ExclusiveOptions {
  readonly signal?: WorkOptions["signal"];
  /** Is called before each look at others, while another process works. */
  readonly onWait?: (() => void) | undefined;
  /** Milliseconds between two looks. 200 */
  readonly poll?: number | undefined;
  /** Milliseconds without a sign of life after which a process of another machine counts as over. 60,000 */
  readonly silence?: number | undefined;
}

/**
 * Does work for a path while no other process does work for it, nor another call in this one: whoever comes second
 * waits. A process that was killed holds nobody up. Beside the path lies a file while the work goes on; its folder has
 * to be there.
 *
 * Each process makes a file of a name of its own, and then looks for those of others. Of two that come at once at least
 * one sees the other, and steps back. Only the file of a process that is over is ever removed by another process.
 *
 * Throws AbortError once the signal is aborted, what the file system says, and what the work throws.
 */
export async function exclusively<T>(
  path: string,
  work: () => Promise<T>,
  { signal, onWait, poll = 200, silence = 60_000 }: ExclusiveOptions = {},
): Promise<T> {
  for (;;) {
    throwIfAborted(signal);
    const own = join(dirname(path), `${basename(path)}.${ownedName("lock")}`);
    const keep = removeAtExit(own);
    try {
      await writeFile(own, "", { flag: "wx" });
      if (!(await othersWork(path, own, silence))) return await beating(own, silence / 4, work);
    } finally {
      await rm(own, { force: true });
      keep();
    }
    do {
      onWait?.();
      await delay(poll * (0.5 + Math.random()), signal);
    } while (await othersWork(path, undefined, silence));
  }
}

/** Gives a sign of life every `interval` milliseconds while it does the work. */
async function beating<T>(own: string, interval: number, work: () => Promise<T>): Promise<T> {
  const timer = setInterval(() => {
    const now = new Date();
    utimes(own, now, now).catch(() => {}); // removed by hand: the work goes on without it
  }, interval);
  timer.unref();
  try {
    return await work();
  } finally {
    clearInterval(timer);
  }
}

/** Whether another process works for the path. The files of those that are over are removed. */
async function othersWork(path: string, own: string | undefined, silence: number): Promise<boolean> {
  const folder = dirname(path);
  const begin = `${basename(path)}.`;
  let found = false;
  for (const name of await readdir(folder)) {
    const owner = name.startsWith(begin) ? ownerOf(name.slice(begin.length)) : undefined;
    const other = join(folder, name);
    if (!owner || other === own) continue;
    if (isOver(owner) ?? (await isSilent(other, silence))) await rm(other, { force: true });
    else found = true;
  }
  return found;
}

async function isSilent(file: string, silence: number): Promise<boolean> {
  const found = await stat(file).catch(() => undefined);
  return found !== undefined && Date.now() - found.mtimeMs > silence;
}

/** Waits, or throws AbortError once the signal is aborted. */
export async function delay(milliseconds: number, signal?: WorkOptions["signal"]): Promise<void> {
  throwIfAborted(signal);
  const controller = new AbortController();
  const abort = () => controller.abort();
  signal?.addEventListener("abort", abort, { once: true });
  try {
    await pause(milliseconds, undefined, { signal: controller.signal });
  } catch (error) {
    throw signal?.aborted ? abortError(signal) : error;
  } finally {
    signal?.removeEventListener("abort", abort);
  }
}
