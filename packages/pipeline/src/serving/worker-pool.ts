import { setTimeout } from "node:timers/promises";
import {
  type Answer,
  DeviceLostError,
  type Executable,
  type Graph,
  type Tensor,
  type WorkOptions,
} from "@residual/core";
import type { BackendOptions } from "../backends/options.ts";
import { ChildCompiler } from "../child-process/backend.ts";
import type { UsedBackend } from "../classifier.ts";
import { unlessAborted } from "../classify-all.ts";

export interface WorkerPoolOptions extends BackendOptions {
  readonly workers: number;
  readonly backend: string;
  /** A worker's process has ended. */
  readonly onLost: (worker: number) => void;
  /** A worker holds all graphs again. */
  readonly onReady: (worker: number) => void;
}

export type WorkerState = "ready" | "loading" | "failed";

/** Child processes, each with an executable of every graph. One that ends is replaced at once. */
export class WorkerPool {
  readonly #slots: readonly Slot[];

  constructor({ workers, backend, onLost, onReady, ...options }: WorkerPoolOptions) {
    this.#slots = Array.from(
      { length: workers },
      (_, index) => new Slot(backend, options, { onLost: () => onLost(index), onReady: () => onReady(index) }),
    );
  }

  /** The state of the best worker. */
  get state(): WorkerState {
    const states = this.#slots.map(({ state }) => state);
    return (["ready", "loading"] as const).find((each) => states.includes(each)) ?? "failed";
  }

  get size(): number {
    return this.#slots.length;
  }

  /** Loads the backend's runtime in each worker. Throws as the backend's `describe` does. */
  async start(): Promise<void> {
    await Promise.all(this.#slots.map((slot) => slot.start()));
  }

  /**
   * Compiles a graph in every worker: in the first, and then in all others, which read what the choice of a backend has
   * measured. Throws errors of the backend's `compile`; the graph is then in no worker.
   */
  async add(key: string, graph: Graph<"image">, work: WorkOptions): Promise<UsedBackend> {
    const [first, ...others] = this.#slots;
    try {
      const backend = await first!.add(key, graph, work);
      await Promise.all(others.map((slot) => slot.add(key, graph, work)));
      return backend;
    } catch (error) {
      await this.remove(key);
      throw error;
    }
  }

  async remove(key: string): Promise<void> {
    await Promise.all(this.#slots.map((slot) => slot.remove(key)));
  }

  /** Throws DeviceLostError if the worker's process ends. */
  run(worker: number, key: string, image: Tensor<"float32">): Promise<{ readonly [name: string]: Answer }> {
    return this.#slots[worker]!.run(key, image);
  }

  async close(): Promise<void> {
    await Promise.all(this.#slots.map((slot) => slot.close()));
  }
}

interface SlotHooks {
  readonly onLost: () => void;
  readonly onReady: () => void;
}

interface Entry {
  readonly graph: Graph<"image">;
  executable: Executable<"image">;
}

/** A child process and the graphs it holds. */
class Slot {
  state: WorkerState = "loading";
  readonly #compiler: ChildCompiler;
  readonly #hooks: SlotHooks;
  readonly #onWarning: BackendOptions["onWarning"];
  readonly #entries = new Map<string, Entry>();
  readonly #closing = new AbortController();
  #keep: AsyncDisposable | undefined;
  #replacing: Promise<void> | undefined;

  constructor(backend: string, options: BackendOptions, hooks: SlotHooks) {
    this.#compiler = new ChildCompiler(backend, options, (why) => this.#lose(why));
    this.#hooks = hooks;
    this.#onWarning = options.onWarning;
  }

  async start(): Promise<void> {
    this.#keep = await this.#compiler.warmUp();
    await this.#compiler.backend.describe();
    this.state = "ready";
  }

  async add(key: string, graph: Graph<"image">, work: WorkOptions): Promise<UsedBackend> {
    if (this.#replacing) await unlessAborted(this.#replacing, work.signal);
    const { executable, backend, description, reason } = await this.#compiler
      .compile(graph, work)
      .catch(lost("the worker has ended while it loaded the model"));
    this.#entries.set(key, { graph, executable });
    return { name: backend.name, reason, ...description };
  }

  async remove(key: string): Promise<void> {
    const entry = this.#entries.get(key);
    this.#entries.delete(key);
    await entry?.executable.dispose();
  }

  async run(key: string, image: Tensor<"float32">): Promise<{ readonly [name: string]: Answer }> {
    const entry = this.#entries.get(key);
    if (!entry) throw new DeviceLostError("the model is not in this worker; try again");
    return entry.executable.run({ image }).catch(lost("the worker that ran the model has ended"));
  }

  async close(): Promise<void> {
    this.#closing.abort();
    await this.#replacing;
    await Promise.all([...this.#entries.keys()].map((key) => this.remove(key)));
    await this.#keep?.[Symbol.asyncDispose]();
  }

  #lose(why: string): void {
    if (this.#replacing || this.#closing.signal.aborted) return;
    this.#onWarning?.(`a worker has ended (${why}), and is being replaced`);
    this.state = "loading";
    this.#hooks.onLost();
    this.#replacing = this.#replace().finally(() => {
      this.#replacing = undefined;
    });
  }

  /** Starts another child with the same graphs, and tries again if that fails. */
  async #replace(): Promise<void> {
    const { signal } = this.#closing;
    for (let pause = FIRST_PAUSE; !signal.aborted; pause = Math.min(2 * pause, LONGEST_PAUSE)) {
      try {
        await this.#restart(signal);
        this.state = "ready";
        this.#hooks.onReady();
        return;
      } catch (error) {
        if (signal.aborted) return;
        this.state = "failed";
        this.#onWarning?.(`a worker could not be replaced: ${String(error)}; the next attempt is in ${pause} ms`);
        await setTimeout(pause, undefined, { signal }).catch(() => {});
      }
    }
  }

  async #restart(signal: AbortSignal): Promise<void> {
    this.#keep = await this.#compiler.warmUp();
    await this.#compiler.backend.describe();
    for (const [key, entry] of this.#entries) {
      const { executable } = await this.#compiler.compile(entry.graph, { signal });
      const isKept = this.#entries.get(key) === entry; // else it was removed meanwhile
      const unused = isKept ? entry.executable : executable;
      if (isKept) entry.executable = executable;
      await unused.dispose(); // removes the files that were written for it
    }
  }
}

/** Says what the clients of a server can do, who cannot compile anything. */
const lost = (found: string) => (cause: unknown) => {
  if (!(cause instanceof DeviceLostError)) throw cause;
  throw new DeviceLostError(`${found}, and is being replaced; try again`, { cause });
};

/** Milliseconds between attempts to replace a worker. */
const FIRST_PAUSE = 250;
const LONGEST_PAUSE = 30_000;
