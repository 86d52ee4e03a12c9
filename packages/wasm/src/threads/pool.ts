import type { ResidualError } from "@residual/core";
import { cores } from "../platform.ts";
import { Thread } from "./thread.ts";

/** The pools of this process or page, by the location of the worker's code. */
const pools = new Map<string | undefined, Pool>();

interface Waiting {
  readonly count: number;
  readonly resolve: (threads: readonly Thread[]) => void;
  readonly reject: (error: ResidualError) => void;
}

/**
 * Threads for all executables of a process. They start when needed, and end with the last executable. If a thread ends
 * unexpectedly, the whole pool ends, and the next executable gets a new pool.
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

  /** The pool of this process, which lives until all its users have left. */
  static join(code: string | undefined): Pool {
    const pool = pools.get(code) ?? new Pool(code);
    pools.set(code, pool);
    pool.#members++;
    return pool;
  }

  /** The requested number of threads, reserved for one caller until returned. Throws BackendUnavailableError. */
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

  /** The first thread, shared by executables that use one thread. */
  first(): Thread {
    if (this.#lost) throw this.#lost;
    this.#start(1);
    return this.#threads[0]!;
  }

  /** A unique number in this pool for a program. */
  newProgram(): number {
    return this.#programs++;
  }

  /** Resolves once no thread of a lost pool works on any memory. */
  async leave(): Promise<void> {
    if (--this.#members > 0 && !this.#lost) return;
    if (pools.get(this.#code) === this) pools.delete(this.#code);
    await this.#end();
  }

  /** Starts more threads if too few are idle, up to one per core or the largest single request. */
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
