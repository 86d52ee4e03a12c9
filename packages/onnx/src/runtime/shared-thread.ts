import type { Signal } from "@residual/core";
import type { Session } from "../session.ts";
import type { ModelSource, SessionOptions } from "./inference.ts";
import type { ThreadClient } from "./thread-client.ts";

/** A running thread. */
export interface RuntimeThread {
  readonly client: ThreadClient;
  /** Ends the idle thread. */
  end(): Promise<void>;
}

/** A session to come: its thread starts while the model is prepared. */
export interface OpenSession extends Session {
  /** Loads the model, once. Throws as `ThreadClient.create` does. */
  load(source: ModelSource, signal: Signal | undefined): Promise<void>;
}

/** A thread, and the number of its sessions. */
interface Occupied {
  readonly thread: RuntimeThread;
  sessions: number;
}

/**
 * One thread for all sessions that are opened here. It starts with the first session, and ends some time after the
 * last.
 */
export class SharedThread {
  readonly #idleMilliseconds: number;
  #idle: ReturnType<typeof setTimeout> | undefined;
  #occupied: Occupied | undefined;
  #ending: Promise<void> | undefined;
  #sessions = 0;

  /** `idleMilliseconds`: how long a thread without sessions waits for the next one. */
  constructor(idleMilliseconds = 0) {
    this.#idleMilliseconds = idleMilliseconds;
  }

  /** Throws errors of `start`, which is called if no thread runs. */
  async open(start: () => RuntimeThread, options: SessionOptions): Promise<OpenSession> {
    clearTimeout(this.#idle);
    while (this.#ending) await this.#ending; // never two threads at a time
    if (!this.#occupied || this.#occupied.thread.client.isLost) this.#occupied = { thread: start(), sessions: 0 };
    const occupied = this.#occupied;
    occupied.sessions++;
    return this.#session(occupied, this.#sessions++, options);
  }

  #session(occupied: Occupied, number: number, options: SessionOptions): OpenSession {
    const { client } = occupied.thread;
    let closing: Promise<void> | undefined;
    return {
      load: (source, signal) => client.create(number, source, options, signal),
      run: (inputs, { signal }) => client.run(number, inputs, signal),
      commit: () => client.commit(number),
      read: (names) => client.read(number, names),
      close: () => {
        closing ??= client.release(number).then(() => this.#leave(occupied));
        return closing;
      },
    };
  }

  async #leave(occupied: Occupied): Promise<void> {
    if (--occupied.sessions > 0) return;
    if (this.#idleMilliseconds === 0) return this.#end(occupied);
    this.#idle = setTimeout(() => void this.#end(occupied), this.#idleMilliseconds);
    (this.#idle as { unref?(): void }).unref?.(); // in Node, whose process must not wait for it
  }

  async #end(occupied: Occupied): Promise<void> {
    if (this.#occupied === occupied) this.#occupied = undefined;
    const ending = occupied.thread.end().finally(() => {
      if (this.#ending === ending) this.#ending = undefined;
    });
    this.#ending = ending;
    await ending;
  }
}
