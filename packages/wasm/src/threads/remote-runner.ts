import { type Signal, throwIfAborted } from "@residual/core";
import type { Call } from "../calls.ts";
import type { Target } from "../encode/module.ts";
import type { Move } from "../engine.ts";
import type { Kernel } from "../kernels/kernel.ts";
import { allocated, moduleOf } from "../platform.ts";
import type { Runner } from "../runner.ts";
import { Pool } from "./pool.ts";
import type { Job } from "./protocol.ts";
import type { Thread } from "./thread.ts";

/**
 * A runner whose memory belongs to a thread, for platforms without shared memory: inputs and outputs are transferred.
 */
export class RemoteRunner implements Runner {
  readonly threads = 1;
  readonly #pool: Pool;
  readonly #thread: Thread;
  readonly #target: Target;
  readonly #program: number;
  readonly #sent = new Set<string>();
  #calls: readonly Call[] = [];

  private constructor(pool: Pool, target: Target) {
    this.#pool = pool;
    this.#thread = pool.first();
    this.#program = pool.newProgram();
    this.#target = target;
  }

  /** Throws OutOfMemoryError, and BackendUnavailableError if the thread does not start. */
  static async open(code: string | undefined, target: Target, bytes: number): Promise<RemoteRunner> {
    const pool = Pool.join(code);
    try {
      const runner = new RemoteRunner(pool, target);
      await allocated(bytes, "the graph", () => runner.#request({ kind: "open", memory: { bytes } }));
      return runner;
    } catch (error) {
      await pool.leave();
      throw error;
    }
  }

  async add(kernels: Iterable<Kernel>): Promise<void> {
    const missing = new Map([...kernels].map((kernel) => [kernel.name, kernel] as const));
    for (const name of this.#sent) missing.delete(name);
    const modules = await Promise.all(
      [...missing].map(async ([name, kernel]) => [name, await moduleOf(kernel, this.#target)] as const),
    );
    await this.#request({ kind: "add", modules });
    for (const name of missing.keys()) this.#sent.add(name);
  }

  async reserve(bytes: number): Promise<void> {
    await allocated(bytes, "a run", () => this.#request({ kind: "reserve", bytes }));
  }

  async write(address: number, length: number, fill: (into: Float32Array) => void | Promise<void>): Promise<void> {
    const numbers = new Float32Array(length);
    await fill(numbers);
    await this.#request({ kind: "write", address, numbers }, [numbers.buffer]);
  }

  async read(address: number, length: number): Promise<Float32Array<ArrayBuffer>> {
    return (await this.#request({ kind: "read", address, length }))!;
  }

  move(moves: readonly Move[]): void {
    this.#thread.post(this.#program, { kind: "move", moves });
  }

  async run(calls: readonly Call[], signal?: Signal): Promise<void> {
    throwIfAborted(signal);
    if (calls !== this.#calls) this.#thread.post(this.#program, { kind: "calls", calls });
    this.#calls = calls;
    const cancel = () => this.#thread.post(this.#program, { kind: "cancel" });
    signal?.addEventListener("abort", cancel, { once: true });
    try {
      await this.#request({ kind: "run" });
    } catch (error) {
      throwIfAborted(signal);
      throw error;
    } finally {
      signal?.removeEventListener("abort", cancel);
    }
  }

  async close(): Promise<void> {
    this.#thread.post(this.#program, { kind: "close" });
    await this.#pool.leave();
  }

  #request(job: Job, transfer?: readonly ArrayBuffer[]): Promise<Float32Array<ArrayBuffer> | undefined> {
    return this.#thread.request(this.#program, job, transfer);
  }
}
