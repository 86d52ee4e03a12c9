import {
  type LoadedGraph,
  OutOfMemoryError,
  ResidualError,
  sizeOf,
  spentAfter,
  type Tensor,
  tensorOf,
  throwIfAborted,
  UnsupportedError,
  type WorkOptions,
} from "@residual/core";
import type * as tfjs from "@tensorflow/tfjs-core";
import type { Engine } from "./engine.ts";
import { operatorOf } from "./operators.ts";
import { packers } from "./packing.ts";
import type { BareProgram, Operation } from "./program.ts";
import { textOf, within } from "./runtime.ts";
import { TimeSlices } from "./time-slices.ts";

/** Inputs and outputs, in NCHW. */
export type NamedTensors = { readonly [name: string]: Tensor<"float32"> };

/**
 * Writes the numbers of a weight (in its layout) or of a variable into the memory that `target` returns. `target` is
 * called anew after each wait, since the memory of an engine may have moved.
 */
export type Fill = (name: string, target: () => Float32Array) => Promise<void>;

/** A program on an engine, with its weights and variables: it owns all its tensors. */
export class Network implements LoadedGraph<"float32"> {
  readonly #engine: Engine;
  readonly #program: BareProgram;
  readonly #weights = new Map<string, tfjs.Tensor>();
  readonly #variables = new Map<string, tfjs.Tensor>();
  /** Values of the variables once the last run is committed. */
  readonly #updates = new Map<string, tfjs.Tensor>();
  /** For each operation, the values that are not read after it. */
  readonly #spent: readonly (readonly string[])[];

  private constructor(engine: Engine, program: BareProgram) {
    this.#engine = engine;
    this.#program = program;
    this.#spent = spentIn(program);
  }

  /** Uploads the weights one by one. If one fails, the uploaded weights are freed. */
  static async load(engine: Engine, program: BareProgram, fill: Fill, work: WorkOptions = {}): Promise<Network> {
    const network = new Network(engine, program);
    try {
      await network.#load(fill, work);
      return network;
    } catch (error) {
      await network.dispose();
      throw network.#typed(error);
    }
  }

  async #load(fill: Fill, { signal, onProgress }: WorkOptions): Promise<void> {
    const { operations, weights, variables } = this.#program;
    const slices = new TimeSlices(signal, () => this.#engine.check());
    const total = weights.length + variables.length;
    const shapes = new Map(weights.map(({ name, shape }) => [name, shape]));
    const add = async (name: string, shape: readonly number[], to: Map<string, tfjs.Tensor>): Promise<void> => {
      onProgress?.({ stage: "load", done: this.#weights.size + this.#variables.size, total });
      await slices.next();
      await this.#add(name, shape, fill, to);
    };
    const addWeight = async (name: string): Promise<void> => {
      const shape = shapes.get(name);
      if (shape && !this.#weights.has(name)) await add(name, shape, this.#weights);
    };
    const pack = this.#engine.heap && packers(this.#engine, this.#program, this.#weights);
    // The largest first: memory freed when a weight is packed then has room for the next.
    const sizeOfWeights = ({ inputs }: Operation) => Math.max(...inputs.map((name) => sizeOf(shapes.get(name) ?? [0])));
    for (const operation of operations.toSorted((a, b) => sizeOfWeights(b) - sizeOfWeights(a))) {
      for (const name of operation.inputs) await addWeight(name);
      pack?.(operation);
    }
    for (const { name } of weights) await addWeight(name); // weights that are outputs themselves
    for (const { name, shape } of variables) await add(name, shape, this.#variables);
    onProgress?.({ stage: "load", done: total, total });
  }

  async #add(name: string, shape: readonly number[], fill: Fill, to: Map<string, tfjs.Tensor>): Promise<void> {
    const { tf, heap } = this.#engine;
    if (!heap) {
      const numbers = new Float32Array(sizeOf(shape)); // a new array each, since some engines keep it
      await fill(name, () => numbers);
      this.#engine.check();
      within(this.#engine, () => to.set(name, tf.keep(tf.tensor(numbers, [...shape]))));
      return;
    }
    const tensor = within(this.#engine, () => tf.keep(tf.fill([...shape], 0)));
    to.set(name, tensor); // so that it is freed if reading its numbers fails
    await fill(name, () => {
      this.#engine.check();
      return heap.numbersOf(tensor);
    });
  }

  /**
   * Executes the operations of the program in order. Yields to the event loop every few milliseconds, and checks the
   * signal after each yield. Inputs are disposed with the run. Variables keep their values until `commit`.
   */
  async run(inputs: NamedTensors, { signal, onProgress }: WorkOptions): Promise<NamedTensors> {
    const { operations, outputs } = this.#program;
    const held = new Map<string, tfjs.Tensor>();
    const slices = new TimeSlices(signal, () => this.#engine.check());
    try {
      disposeAll(this.#updates); // updates of a run that was not committed
      slices.begin();
      this.#give(inputs, held);
      let done = 0;
      while (done < operations.length) {
        done = within(this.#engine, () => this.#runSlice(done, held, slices));
        onProgress?.({ stage: "run", done, total: operations.length });
        if (done < operations.length) await slices.next();
      }
      const answers: { [name: string]: Tensor<"float32"> } = {};
      for (const { name, from } of outputs) answers[name] = await this.#read(this.#tensor(from, held));
      throwIfAborted(signal);
      this.#stageUpdates(held);
      return answers;
    } catch (error) {
      throw this.#typed(error);
    } finally {
      disposeAll(held);
    }
  }

  /** Replaces the variables by the updates of the last run. */
  commit(): void {
    for (const [name, tensor] of this.#updates) {
      this.#variables.get(name)!.dispose();
      this.#variables.set(name, tensor);
    }
    this.#updates.clear();
  }

  /** Copies of variables; the names must exist in the program. */
  async read(names: readonly string[]): Promise<NamedTensors> {
    const answers: { [name: string]: Tensor<"float32"> } = {};
    try {
      for (const name of names) answers[name] = await this.#read(this.#variables.get(name)!);
      return answers;
    } catch (error) {
      throw this.#typed(error);
    }
  }

  #give(inputs: NamedTensors, held: Map<string, tfjs.Tensor>): void {
    const { tf } = this.#engine;
    within(this.#engine, () => {
      for (const [name, { data, shape }] of Object.entries(inputs))
        held.set(name, tf.keep(tf.tensor(data, [...shape])));
    });
  }

  /** Runs operations until the time slice ends, at least one; returns the index of the next. */
  #runSlice(first: number, held: Map<string, tfjs.Tensor>, slices: TimeSlices): number {
    const { operations } = this.#program;
    let next = first;
    while (next < operations.length && (next === first || !slices.isOver())) {
      const operation = operations[next]!;
      held.set(operation.name, this.#carryOut(operation, held));
      for (const name of this.#spent[next]!) {
        held.get(name)!.dispose();
        held.delete(name);
      }
      next++;
    }
    return next;
  }

  #carryOut(operation: Operation, held: ReadonlyMap<string, tfjs.Tensor>): tfjs.Tensor {
    const { tf } = this.#engine;
    const tensors = operation.inputs.map((input) => this.#tensor(input, held));
    try {
      return tf.keep(operatorOf(operation).apply(tf, tensors, operation.attributes));
    } catch (cause) {
      throw this.#typed(cause, operation.name);
    }
  }

  /**
   * The updates as clones, which share memory: several variables may have the same update, which may also be a weight
   * or another variable. Either all are cloned, or none.
   */
  #stageUpdates(held: ReadonlyMap<string, tfjs.Tensor>): void {
    const { tf } = this.#engine;
    within(this.#engine, () => {
      const clones = this.#program.variables.map(({ name, update }) => {
        return [name, tf.clone(this.#tensor(update, held))] as const;
      });
      for (const [name, clone] of clones) this.#updates.set(name, tf.keep(clone));
    });
  }

  #tensor(name: string, held: ReadonlyMap<string, tfjs.Tensor>): tfjs.Tensor {
    return (held.get(name) ?? this.#variables.get(name) ?? this.#weights.get(name))!;
  }

  /** A copy: on some engines, reading returns the engine's own memory. */
  async #read(tensor: tfjs.Tensor): Promise<Tensor<"float32">> {
    const data = await Promise.race([tensor.data<"float32">(), this.#engine.lost]);
    return tensorOf("float32", tensor.shape, Float32Array.from(data));
  }

  /** Engines throw plain errors, recognizable only by their text. */
  #typed(cause: unknown, operation?: string): unknown {
    this.#engine.check(); // errors after a device loss are meaningless
    if (cause instanceof ResidualError) return cause;
    const text = textOf(cause);
    const where = operation === undefined ? this.#program.name : `${this.#program.name}'s ${operation}`;
    if (/memory|allocat|\bOOM\b|Invalid typed array length/i.test(text)) {
      return new OutOfMemoryError(`tfjs: ${where} does not fit into memory (${text}); take a smaller batch`, { cause });
    }
    return new UnsupportedError(`tfjs: ${this.#engine.name} refused ${where}: ${text}`, { cause });
  }

  /** Frees weights and variables. May be called again. */
  async dispose(): Promise<void> {
    for (const tensors of [this.#weights, this.#variables, this.#updates]) disposeAll(tensors);
  }
}

function disposeAll(tensors: Map<string, tfjs.Tensor>): void {
  for (const tensor of tensors.values()) tensor.dispose();
  tensors.clear();
}

/**
 * For each operation, the values that no later operation reads and that are neither output nor update. Weights and
 * variables stay.
 */
function spentIn({ operations, outputs, weights, variables }: BareProgram): readonly (readonly string[])[] {
  const steps = operations.map(({ name, inputs }) => ({ reads: inputs, writes: name }));
  return spentAfter(steps, [
    ...outputs.map(({ from }) => from),
    ...variables.flatMap(({ name, update }) => [name, update]),
    ...weights.map(({ name }) => name),
  ]);
}
