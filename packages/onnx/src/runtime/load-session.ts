import { AbortError } from "@residual/core";
import type { Session } from "../session.ts";
import type { OpenSession } from "./shared-thread.ts";

/**
 * A session with its model loaded; closed again where that fails. An abort answers at once, and the thread closes it
 * when it can.
 */
export async function loadSession(
  session: OpenSession,
  load: (session: OpenSession) => Promise<void>,
): Promise<Session> {
  try {
    await load(session);
    return session;
  } catch (error) {
    const closed = session.close();
    if (error instanceof AbortError) keepTrack(closed);
    else await closed;
    throw error;
  }
}

/** Aborted loads that have not come to their end. */
const aborted = new Set<Promise<void>>();

/** One does not hold the next load up, and many do not pile up: each has a thread, and a copy of its weights. */
const MOST_ABORTED = 2;

function keepTrack(closed: Promise<void>): void {
  const over = closed.catch(() => {}).then(() => void aborted.delete(over));
  aborted.add(over);
}

/** Waits until few aborted loads are still under way. */
export async function fewAborted(): Promise<void> {
  while (aborted.size >= MOST_ABORTED) await Promise.race(aborted);
}
