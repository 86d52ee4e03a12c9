import { type Signal, throwIfAborted } from "@residual/core";
import type { Call } from "./calls.ts";
import type { Target } from "./encode/module.ts";
import { Engine, type Move } from "./engine.ts";
import type { Kernel } from "./kernels/kernel.ts";
import { giveMemory, takeMemory } from "./memories.ts";
import { allocated, moduleOf } from "./platform.ts";
import type { Runner } from "./runner.ts";
import { nextTurn, Pace, runInSlices, TURN } from "./slices.ts";

declare const performance: { now(): number };

/** A runner with memory of the caller's thread, on which runs execute in slices. */
export class DirectRunner implements Runner {
  readonly threads: number = 1;
  readonly #target: Target;
  readonly #pace = new Pace();
  #engine: Engine | undefined;

  protected constructor(target: Target, engine: Engine) {
    this.#target = target;
    this.#engine = engine;
  }

  /** Throws OutOfMemoryError. */
  static async open(target: Target, bytes: number): Promise<DirectRunner> {
    return new DirectRunner(target, await DirectRunner.engine(target, bytes));
  }

  protected static async engine({ isShared }: Target, bytes: number): Promise<Engine> {
    return new Engine(await allocated(bytes, "the graph", () => takeMemory(bytes, isShared)));
  }

  /** The shell runs nothing after dispose. */
  protected get engine(): Engine {
    return this.#engine!;
  }

  async add(kernels: Iterable<Kernel>): Promise<void> {
    const compiling = new Map<string, Promise<void>>();
    let end = performance.now() + TURN;
    for (const kernel of kernels) {
      const { name } = kernel;
      if (this.engine.has(name) || compiling.has(name)) continue;
      if (performance.now() > end) {
        await nextTurn();
        end = performance.now() + TURN;
      }
      const module = moduleOf(kernel, this.#target);
      compiling.set(
        name,
        module.then((each) => this.engine.add([[name, each]])),
      );
    }
    await Promise.all(compiling.values());
  }

  async reserve(bytes: number): Promise<void> {
    await allocated(bytes, "a run", () => this.engine.reserve(bytes));
  }

  async write(address: number, length: number, fill: (into: Float32Array) => void | Promise<void>): Promise<void> {
    await fill(this.engine.numbers(address, length));
  }

  async read(address: number, length: number): Promise<Float32Array<ArrayBuffer>> {
    return this.engine.copyOf(address, length);
  }

  move(moves: readonly Move[]): void {
    this.engine.move(moves);
  }

  async run(calls: readonly Call[], signal?: Signal): Promise<void> {
    throwIfAborted(signal);
    await runInSlices(this.engine, calls, this.#pace, async () => {
      await nextTurn();
      throwIfAborted(signal);
    });
  }

  async close(): Promise<void> {
    giveMemory(this.engine.memory, this.#target.isShared);
    this.#engine = undefined;
  }
}
