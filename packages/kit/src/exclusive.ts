import { readdir, rm, stat, utimes, writeFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { abortError, throwIfAborted, type WorkOptions } from "@residual/core";
import { removeAtExit } from "./at-exit.ts";
import { isOver, ownedName, ownerOf } from "./owned-name.ts";

export interface ExclusiveOptions {
  readonly signal?: WorkOptions["signal"];
  /** Called before each wait for another process. */
  readonly onWait?: (() => void) | undefined;
  /** Milliseconds between two checks. Default 200 */
  readonly poll?: number | undefined;
  /** Milliseconds without a heartbeat after which a process on another machine counts as ended. Default 60,000 */
  readonly silence?: number | undefined;
}

/**
 * Runs work for a path while no other process, and no other call in this process, works for the same path; later
 * callers wait. A killed process blocks nobody. While the work runs, a lock file lies next to the path; its folder must
 * exist.
 *
 * Each process creates a lock file with a unique name, and then looks for the files of others. If two processes start
 * at once, at least one of them sees the other and steps back. Only files of ended processes are removed by others.
 *
 * Throws AbortError once the signal is aborted, file-system errors, and errors of the work.
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

/** Touches the lock file every `interval` milliseconds while the work runs. */
async function beating<T>(own: string, interval: number, work: () => Promise<T>): Promise<T> {
  const timer = setInterval(() => {
    const now = new Date();
    utimes(own, now, now).catch(() => {}); // the file was removed by hand: the work continues
  }, interval);
  timer.unref();
  try {
    return await work();
  } finally {
    clearInterval(timer);
  }
}

/** Whether another process works for the path. Removes the files of ended processes. */
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

/** Waits `milliseconds`. Throws AbortError once the signal is aborted. */
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
