import {
  type LoadedGraph,
  OutOfMemoryError,
  ResidualError,
  type RunOptions,
  type Signal,
  sizeOf,
  type Tensor,
  tensorOf,
  throwIfAborted,
  UnsupportedError,
  type WorkOptions,
} from "@residual/core";
import type * as tfjs from "@tensorflow/tfjs-core";
import type { Engine } from "./engine.ts";
import { operators } from "./operators.ts";
import type { BareProgram, Operation, OperatorName, Operators } from "./program.ts";
import { type TensorFlow, textOf, within } from "./runtime.ts";

/** As they come in and go out: NCHW. */
export type NamedTensors = { readonly [name: string]: Tensor<"float32"> };

/**
 * Puts the numbers of a weight, in its layout, into the memory that `target` gives. It is called anew after each wait: the
 * memory of an engine may have moved.
 */
export type Fill = (name: string, target: () => Float32Array) => Promise<void>;

/** A program on an engine, with its weights: all the tensors there are belong to it. */
export class Network implements LoadedGraph {
  readonly #engine: Engine;
  readonly #program: BareProgram;
  readonly #weights = new Map<string, tfjs.Tensor>();
  /** What is not read any more once an operation is done. */
  readonly #spent: readonly (readonly string[])[];

  private constructor(engine: Engine, program: BareProgram) {
    this.#engine = engine;
    this.#program = program;
    this.#spent = spentAfter(program);
  }

  /** Gives the weights to the engine one by one. What was given is freed where the last is not reached. */
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
    const { operations, weights } = this.#program;
    const turns = new Turns(this.#engine, signal);
    const shapes = new Map(weights.map(({ name, shape }) => [name, shape]));
    const add = async (name: string): Promise<void> => {
      const shape = shapes.get(name);
      if (!shape || this.#weights.has(name)) return;
      onProgress?.({ stage: "load", done: this.#weights.size, total: weights.length });
      await turns.next();
      await this.#add(name, shape, fill);
    };
    const pack = this.#engine.heap && packers(this.#engine, this.#program, this.#weights);
    // The largest first: what one leaves behind as it is packed has room for the next.
    const sizeOfWeights = ({ inputs }: Operation) => Math.max(...inputs.map((name) => sizeOf(shapes.get(name) ?? [0])));
    for (const operation of operations.toSorted((a, b) => sizeOfWeights(b) - sizeOfWeights(a))) {
      for (const name of operation.inputs) await add(name);
      pack?.(operation);
    }
    for (const { name } of weights) await add(name); // those that are answers themselves
    onProgress?.({ stage: "load", done: weights.length, total: weights.length });
  }

  async #add(name: string, shape: readonly number[], fill: Fill): Promise<void> {
    const { tf, heap } = this.#engine;
    if (!heap) {
      const numbers = new Float32Array(sizeOf(shape)); // a new one each: some engines keep it
      await fill(name, () => numbers);
      this.#engine.check();
      within(this.#engine, () => this.#weights.set(name, tf.keep(tf.tensor(numbers, [...shape]))));
      return;
    }
    const tensor = within(this.#engine, () => tf.keep(tf.fill([...shape], 0)));
    this.#weights.set(name, tensor); // so that it is freed if its numbers cannot be read
    await fill(name, () => {
      this.#engine.check();
      return heap.numbersOf(tensor);
    });
  }

  /**
   * Carries the program out, operation by operation; others get their turn every few milliseconds, and the signal is looked at before
   * each. Inputs belong to the run.
   */
  async run(inputs: NamedTensors, { signal, onProgress }: Omit<RunOptions, "batch">): Promise<NamedTensors> {
    const { operations, outputs } = this.#program;
    const held = new Map<string, tfjs.Tensor>();
    const turns = new Turns(this.#engine, signal);
    try {
      turns.begin();
      this.#give(inputs, held);
      let done = 0;
      while (done < operations.length) {
        done = within(this.#engine, () => this.#stretch(done, held, turns));
        onProgress?.({ stage: "run", done, total: operations.length });
        if (done < operations.length) await turns.next();
      }
      const answers: [string, Tensor<"float32">][] = [];
      for (const { name, from } of outputs) answers.push([name, await this.#read(this.#tensor(from, held))]);
      throwIfAborted(signal);
      return Object.fromEntries(answers);
    } catch (error) {
      throw this.#typed(error);
    } finally {
      for (const tensor of held.values()) tensor.dispose();
    }
  }

  #give(inputs: NamedTensors, held: Map<string, tfjs.Tensor>): void {
    const { tf } = this.#engine;
    within(this.#engine, () => {
      for (const [name, { data, shape }] of Object.entries(inputs))
        held.set(name, tf.keep(tf.tensor(data, [...shape])));
    });
  }

  /** As many operations as fit into a turn, from one on; answers with the next. */
  #stretch(first: number, held: Map<string, tfjs.Tensor>, turns: Turns): number {
    const { operations } = this.#program;
    let next = first;
    while (next < operations.length && (next === first || !turns.isOver())) {
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

  #carryOut({ name, operator, inputs, attributes }: Operation, held: ReadonlyMap<string, tfjs.Tensor>): tfjs.Tensor {
    const { tf } = this.#engine;
    const tensors = inputs.map((input) => this.#tensor(input, held));
    const apply = operators[operator] as (
      tf: TensorFlow,
      inputs: readonly tfjs.Tensor[],
      attributes: object,
    ) => tfjs.Tensor;
    try {
      return tf.keep(apply(tf, tensors, attributes));
    } catch (cause) {
      throw this.#typed(cause, name);
    }
  }

  #tensor(name: string, held: ReadonlyMap<string, tfjs.Tensor>): tfjs.Tensor {
    return (held.get(name) ?? this.#weights.get(name))!;
  }

  /** A copy: on some engines what is read is what the engine goes on with. */
  async #read(tensor: tfjs.Tensor): Promise<Tensor<"float32">> {
    const data = await Promise.race([tensor.data<"float32">(), this.#engine.lost]);
    return tensorOf("float32", tensor.shape, Float32Array.from(data));
  }

  /** What an engine says of a failure is a plain error, which says it in words. */
  #typed(cause: unknown, operation?: string): unknown {
    this.#engine.check(); // what comes of a device that is gone says nothing
    if (cause instanceof ResidualError) return cause;
    const text = textOf(cause);
    const where = operation === undefined ? this.#program.name : `${this.#program.name}'s ${operation}`;
    if (/memory|allocat|\bOOM\b|Invalid typed array length/i.test(text)) {
      return new OutOfMemoryError(`tfjs: ${where} does not fit into memory (${text}); take a smaller batch`, { cause });
    }
    return new UnsupportedError(`tfjs: ${this.#engine.name} refused ${where}: ${text}`, { cause });
  }

  /** Frees the weights. May be called again. */
  async dispose(): Promise<void> {
    for (const tensor of this.#weights.values()) tensor.dispose();
    this.#weights.clear();
  }
}

/** For each operation, what no later one reads and is no answer. Weights stay. */
function spentAfter({ operations, outputs, weights }: BareProgram): readonly (readonly string[])[] {
  const kept = new Set([...outputs.map(({ from }) => from), ...weights.map(({ name }) => name)]);
  const spent: string[][] = operations.map(() => []);
  for (const [at, { name, inputs }] of [...operations.entries()].reverse()) {
    for (const each of [name, ...inputs]) {
      if (kept.has(each)) continue;
      spent[at]!.push(each);
      kept.add(each); // an earlier operation is not the last to read it
    }
  }
  return spent;
}

/**
 * Turns of a few milliseconds, after each of which the event loop goes round: signals, timers and other runs wait no longer than the
 * longest operation takes.
 */
class Turns {
  readonly #engine: Engine;
  readonly #signal: Signal | undefined;
  #end = 0;

  constructor(engine: Engine, signal: Signal | undefined) {
    this.#engine = engine;
    this.#signal = signal;
  }

  /** Whether it is time to stop, or there is no point in going on. */
  isOver(): boolean {
    return performance.now() > this.#end || this.#signal?.aborted === true;
  }

  /** Throws AbortError once the signal is aborted, DeviceLostError once the engine is gone. */
  begin(): void {
    throwIfAborted(this.#signal);
    this.#engine.check();
    this.#end = performance.now() + MILLISECONDS_A_TURN;
  }

  /** Goes on at once where the turn is not over. */
  async next(): Promise<void> {
    if (performance.now() > this.#end) await pause();
    this.begin();
  }
}

const MILLISECONDS_A_TURN = 8;

/** Once round the event loop. Browsers stretch timers to 4 ms, and have messages instead. */
function pause(): Promise<void> {
  const { setImmediate } = globalThis as { setImmediate?: (callback: () => void) => void };
  return new Promise((resolve) => {
    if (setImmediate) return setImmediate(resolve);
    const { port1, port2 } = new MessageChannel();
    const come = () => {
      port1.close();
      resolve();
    };
    Object.assign(port1, { onmessage: come });
    port2.postMessage(undefined);
  });
}

/** Operators whose second input an engine packs, and how large a first one has to be for that. */
const packing: { readonly [Name in OperatorName]?: (shape: readonly number[], attributes: object) => number[] } = {
  Conv2D: windowOf,
  _FusedConv2D: windowOf,
  DepthwiseConv2dNative: windowOf,
  MatMul: ([rows = 1]) => [1, rows],
  _FusedMatMul: ([rows = 1]) => [1, rows],
};

/** One window of kernels [height, width, channels, …]. */
function windowOf([height = 1, width = 1, channels = 1]: readonly number[], attributes: object): number[] {
  const [down, right] = (attributes as Operators["Conv2D"]).dilations;
  return [1, down * (height - 1) + 1, right * (width - 1) + 1, channels];
}

/**
 * On engines that pack kernels and matrices for themselves when they are first used: makes it do so now, on zeros, and gives the memory
 * of the original back once every operation that reads it has its own. A network then takes its weights once and not twice, and its
 * first run no longer than any.
 */
function packers(
  { tf, heap, ...engine }: Engine,
  { operations, outputs, weights }: BareProgram,
  tensors: ReadonlyMap<string, tfjs.Tensor>,
): (operation: Operation) => void {
  const readers = new Map(weights.map(({ name }) => [name, 0]));
  for (const { from } of outputs) readers.set(from, Infinity);
  for (const { operator, inputs } of operations) {
    for (const [i, name] of inputs.entries()) {
      const isPacked = i === 1 && packing[operator] !== undefined;
      if (readers.has(name)) readers.set(name, isPacked ? readers.get(name)! + 1 : Infinity);
    }
  }
  return ({ operator, inputs, attributes }) => {
    const [, packed = "", ...others] = inputs;
    const tensor = tensors.get(packed);
    const shapeOf = packing[operator];
    if (!shapeOf || !tensor || !others.every((name) => tensors.has(name))) return;
    within({ tf, ...engine }, () => {
      const apply = operators[operator] as (
        tf: TensorFlow,
        inputs: readonly tfjs.Tensor[],
        attributes: object,
      ) => tfjs.Tensor;
      const zeros = tf.zeros(shapeOf(tensor.shape, attributes));
      apply(tf, [zeros, tensor, ...others.map((name) => tensors.get(name)!)], attributes);
    });
    const left = readers.get(packed)! - 1;
    readers.set(packed, left);
    if (left === 0) heap?.release(tensor);
  };
}
