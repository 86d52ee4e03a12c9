import { AbortError } from "@residual/core";
import type { Session } from "../session.ts";
import type { OpenSession } from "./shared-thread.ts";

/**
 * A session with its model loaded. If loading fails the session is closed. An abort rejects at once, and the thread
 * closes the session when it can.
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

/** Aborted loads that have not finished. */
const aborted = new Set<Promise<void>>();

/**
 * One unfinished load does not delay the next. Their number is limited, since each has a thread and a copy of its
 * weights.
 */
const MOST_ABORTED = 2;

function keepTrack(closed: Promise<void>): void {
  const over = closed.catch(() => {}).then(() => void aborted.delete(over));
  aborted.add(over);
}

/** Waits until few aborted loads are left. */
export async function fewAborted(): Promise<void> {
  while (aborted.size >= MOST_ABORTED) await Promise.race(aborted);
}
