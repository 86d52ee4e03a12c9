import { BackendUnavailableError, type Signal, throwIfAborted } from "@residual/core";
import { type Call, workOf } from "../calls.ts";
import { DirectRunner } from "../direct-runner.ts";
import type { Target } from "../encode/module.ts";
import type { Engine } from "../engine.ts";
import type { ThreadChoice } from "../options.ts";
import { Pool } from "./pool.ts";
import { abortRun, controlOf, resetControl } from "./team.ts";
import type { Thread } from "./thread.ts";

/** How threads share a run. */
type TeamSettings = Pick<ThreadChoice, "threads" | "least" | "code">;

/** The messages that a thread has received. */
interface Told {
  readonly modules: number;
  readonly calls: readonly Call[];
}

/** Work below which threads do not help: notifying them takes about 0.1 ms, and waiting some µs per call. */
const SHORT = 100_000_000;

/** Whether threads do not help for this amount of work. */
export function isShort(work: number): boolean {
  return work <= SHORT;
}

/** A runner whose memory is shared by the caller's thread and other threads. */
export class TeamRunner extends DirectRunner {
  override readonly threads: number;
  readonly #settings: TeamSettings;
  readonly #told = new Map<Thread, Told>();
  #pool: Pool | undefined;
  #program = 0;
  #starting: Promise<void> | undefined;
  /** Threads did not start. */
  #isAlone = false;

  private constructor(target: Target, engine: Engine, settings: TeamSettings) {
    super(target, engine);
    this.#settings = settings;
    this.threads = settings.threads;
  }

  static async openTeam(target: Target, bytes: number, settings: TeamSettings): Promise<TeamRunner> {
    return new TeamRunner(target, await DirectRunner.engine(target, bytes), settings);
  }

  /** Starts threads in advance, if runs of this amount of work use any. */
  warmUp(work: number): void {
    const threads = this.#threadsFor(work);
    if (threads > 0) this.#start(threads).catch(() => {}); // the first run that uses them reports the error
  }

  override async run(calls: readonly Call[], signal?: Signal): Promise<void> {
    throwIfAborted(signal);
    const threads = this.#threadsFor(workOf(calls));
    if (threads > 0) await this.#start(threads);
    if (threads === 0 || this.#isAlone) return super.run(calls, signal);
    const team = await this.#pool!.take(threads);
    try {
      await this.#runOn(team, calls, signal);
    } finally {
      this.#pool!.give(team);
    }
    throwIfAborted(signal);
  }

  override async close(): Promise<void> {
    await this.#starting?.catch(() => {}); // a thread that opens the memory later would keep it
    for (const thread of this.#told.keys()) thread.post(this.#program, { kind: "close" });
    await this.#pool?.leave();
    await super.close();
  }

  #threadsFor(work: number): number {
    const { threads, least } = this.#settings;
    if (this.#isAlone) return 0;
    return isShort(work) ? least : threads;
  }

  /** Starts the threads for the first run that uses any, and waits until they reply. */
  #start(threads: number): Promise<void> {
    this.#starting ??= this.#startAll(threads).catch((error: unknown) => {
      if (this.#settings.least > 0 || !(error instanceof BackendUnavailableError)) throw error;
      this.#isAlone = true;
    });
    return this.#starting;
  }

  async #startAll(threads: number): Promise<void> {
    const pool = Pool.join(this.#settings.code);
    this.#pool = pool;
    this.#program = pool.newProgram();
    const team = await pool.take(threads);
    const { memory } = this.engine;
    try {
      await Promise.all(team.map((thread) => thread.request(this.#program, { kind: "open", memory })));
      for (const thread of team) this.#told.set(thread, { modules: 0, calls: [] });
    } finally {
      pool.give(team);
    }
  }

  async #runOn(team: readonly Thread[], calls: readonly Call[], signal: Signal | undefined): Promise<void> {
    const control = controlOf(this.engine);
    resetControl(control);
    const abort = () => abortRun(control);
    signal?.addEventListener("abort", abort, { once: true });
    if (signal?.aborted) abort();
    const answers = await Promise.allSettled(
      team.map((thread, index) => {
        this.#tell(thread, calls);
        return thread.request(this.#program, { kind: "take part", threads: team.length, index });
      }),
    );
    signal?.removeEventListener("abort", abort);
    for (const answer of answers) if (answer.status === "rejected") throw answer.reason;
  }

  /** The data that a thread needs before it joins a run. */
  #tell(thread: Thread, calls: readonly Call[]): void {
    const { memory } = this.engine;
    if (!this.#told.has(thread)) thread.post(this.#program, { kind: "open", memory });
    const told = this.#told.get(thread) ?? { modules: 0, calls: [] };
    const modules = this.engine.modules();
    if (modules.length > told.modules)
      thread.post(this.#program, { kind: "add", modules: modules.slice(told.modules) });
    if (told.calls !== calls) thread.post(this.#program, { kind: "calls", calls });
    this.#told.set(thread, { modules: modules.length, calls });
  }
}
