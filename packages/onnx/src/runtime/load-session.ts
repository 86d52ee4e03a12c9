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
    if (error instanceof AbortError) closed.catch(() => {});
    else await closed;
    throw error;
  }
}
