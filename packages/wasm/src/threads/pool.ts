import type { ResidualError } from "@residual/core";
import { cores } from "../platform.ts";
import { Thread } from "./thread.ts";

/** Of this process or page, by where the code of their threads lies. */
const pools = new Map<string | undefined, Pool>();

interface Waiting {
  readonly count: number;
  readonly resolve: (threads: readonly Thread[]) => void;
  readonly reject: (error: ResidualError) => void;
}

/**
 * Threads for all executables of a process. They start when they are needed, and end with the last executable. One that
 * ends by itself takes the pool with it: the next executable gets a new one.
 */
export class Pool {
  readonly #code: string | undefined;
  #members = 0;
  #programs = 0;
  readonly #threads: Thread[] = [];
  readonly #idle = new Set<Thread>();
  readonly #waiting: Waiting[] = [];
  #lost: ResidualError | undefined;
  #ending: Promise<unknown> | undefined;

  private constructor(code: string | undefined) {
    this.#code = code;
  }

  /** The pool of this process, which lives until each that joined has left. */
  static join(code: string | undefined): Pool {
    const pool = pools.get(code) ?? new Pool(code);
    pools.set(code, pool);
    pool.#members++;
    return pool;
  }

  /** As many threads as asked for, for one alone until it gives them back. Throws BackendUnavailableError. */
  async take(count: number): Promise<readonly Thread[]> {
    if (this.#lost) throw this.#lost;
    this.#start(count);
    return new Promise((resolve, reject) => {
      this.#waiting.push({ count, resolve, reject });
      this.#serveNext();
    });
  }

  give(threads: readonly Thread[]): void {
    for (const thread of threads) this.#idle.add(thread);
    this.#serveNext();
  }

  /** The first thread, for those that work on one thread and do not mind others there. */
  first(): Thread {
    if (this.#lost) throw this.#lost;
    this.#start(1);
    return this.#threads[0]!;
  }

  /** A number for a program, which no other one of this pool has. */
  newProgram(): number {
    return this.#programs++;
  }

  /** No thread of a pool that is lost works on any memory after it. */
  async leave(): Promise<void> {
    if (--this.#members > 0 && !this.#lost) return;
    if (pools.get(this.#code) === this) pools.delete(this.#code);
    await this.#end();
  }

  /** More threads where those that idle are too few, up to one a core or as many as are asked for at once. */
  #start(count: number): void {
    const most = Math.max(count, cores());
    while (this.#idle.size < count && this.#threads.length < most) {
      const thread = new Thread(this.#code, (error) => this.#lose(error));
      this.#threads.push(thread);
      this.#idle.add(thread);
    }
  }

  #serveNext(): void {
    for (let next = this.#waiting[0]; next && next.count <= this.#idle.size; next = this.#waiting[0]) {
      this.#waiting.shift();
      const taken = this.#threads.filter((thread) => this.#idle.has(thread)).slice(0, next.count);
      for (const thread of taken) this.#idle.delete(thread);
      next.resolve(taken);
    }
  }

  #lose(error: ResidualError): void {
    this.#lost ??= error;
    if (pools.get(this.#code) === this) pools.delete(this.#code);
    for (const { reject } of this.#waiting.splice(0)) reject(this.#lost);
    for (const thread of this.#threads) thread.lose(this.#lost);
    void this.#end();
  }

  async #end(): Promise<void> {
    this.#ending ??= Promise.all(this.#threads.map((thread) => thread.end()));
    await this.#ending;
  }
}
