import { throwIfAborted } from "@residual/core";
import { copiesOf, type Session } from "../../session.ts";
import { type ModelSource, type SessionOptions, StatefulSession } from "../inference.ts";
import { refusal } from "../refusal.ts";
import { loadRuntime, messageOf } from "./package.ts";

/**
 * A session on the caller's thread, for runs short enough to block the event loop. One run executes per turn of the
 * loop, so that many runs do not add up.
 *
 * Throws BackendUnavailableError where onnxruntime is missing, UnsupportedError for a model that it refuses.
 */
export async function openInline(name: string, options: SessionOptions, source: ModelSource): Promise<Session> {
  const session = await StatefulSession.create(await loadRuntime(name), source, options).catch(refuse);
  let last: Promise<unknown> = Promise.resolve();
  let closing: Promise<void> | undefined;
  return {
    run(inputs, { signal }) {
      const copies = copiesOf(inputs);
      const mine = last.then(() => {
        throwIfAborted(signal);
        return session.run(copies).catch(refuse); // in a separate turn: onnxruntime-node defers it
      });
      last = mine.catch(() => {});
      return mine;
    },
    commit: () => session.commit(),
    read: (names) => last.then(() => session.read(names)),
    close() {
      closing ??= last.then(() => session.release());
      return closing;
    },
  };
}

/** Two sessions: one for runs of at most `largest` images, and one for larger runs, opened by the first such run. */
export function splitByBatch(short: Session, largest: number, openLong: () => Promise<Session>): Session {
  let long: Session | undefined;
  let opening: Promise<Session> | undefined;
  const open = async (): Promise<Session> => {
    try {
      long = await openLong();
      return long;
    } catch (error) {
      opening = undefined; // the next run tries again
      throw error;
    }
  };
  return {
    commit: () => short.commit(),
    read: (names) => short.read(names),
    run(inputs, options) {
      if (options.batch <= largest) return short.run(inputs, options);
      if (long) return long.run(inputs, options);
      const copies = copiesOf(inputs);
      opening ??= open();
      return opening.then((session) => session.run(copies, options));
    },
    async close() {
      await Promise.all([
        short.close(),
        opening?.then(
          (session) => session.close(),
          () => {},
        ),
      ]);
    },
  };
}

function refuse(error: unknown): never {
  throw refusal(messageOf(error));
}
