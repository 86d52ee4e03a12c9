import { type ConvolutionLayer, operandsOf } from "../convolution/layer.ts";
import type { Strategy } from "../convolution/strategy.ts";
import type { Target } from "../encode/module.ts";
import type { Engine } from "../engine.ts";
import { imageBytes, quadsOf } from "../layout.ts";
import { engineOf } from "./engine.ts";
import { eachNumber, laidOut, writable } from "./images.ts";

/** Numbers in the host's order. */
export interface LayerNumbers {
  readonly x: Float32Array;
  readonly weight: Float32Array;
  readonly bias?: Float32Array;
  readonly residual?: Float32Array;
}

const START = 1024;

/** A call of a function of the kernel, for the tasks [first, end). */
interface Call {
  readonly phase: string;
  readonly values: readonly number[];
  readonly first: number;
  readonly end: number;
}

/** One layer in a memory of its own, computed by one strategy. */
export class LayerRun {
  readonly #engine: Engine;
  readonly #layer: ConvolutionLayer;
  readonly #images: number;
  readonly #kernel: string;
  readonly #calls: readonly Call[];
  readonly #y: number;

  private constructor(
    engine: Engine,
    layer: ConvolutionLayer,
    images: number,
    { kernel, calls, y }: { readonly kernel: string; readonly calls: readonly Call[]; readonly y: number },
  ) {
    [this.#engine, this.#layer, this.#images] = [engine, layer, images];
    [this.#kernel, this.#calls, this.#y] = [kernel, calls, y];
  }

  /** x is given the border that the strategy wants. What a kernel must not read, or has to write, is NaN before. */
  static async load(
    strategy: Strategy,
    planned: ConvolutionLayer,
    target: Target,
    numbers: LayerNumbers,
    images = 1,
  ): Promise<LayerRun> {
    const layer: ConvolutionLayer = { ...planned, x: { ...planned.x, ...strategy.wants } };
    const { y, residual } = layer;
    const { packing } = strategy;
    const kernel = strategy.emit(layer);
    let end = START;
    const take = (bytes: number) => {
      const at = end;
      end += Math.ceil(bytes / 64) * 64;
      return at;
    };
    const scratch = take(kernel.scratch?.(images) ?? 0);
    const host = take(numbers.weight.byteLength);
    const at = {
      x: take(images * imageBytes(layer.x)),
      weight: packing ? take(packing.bytes) : host,
      bias: take(16 * quadsOf(y)),
      residual: take(residual ? images * imageBytes(residual) : 0),
      y: take(images * imageBytes(y)),
    };
    const engine = await engineOf(target, end, [kernel, ...(packing ? [packing.kernel] : [])]);
    engine.numbers(START, (end - START) / 4).fill(Number.NaN);
    engine.numbers(host, numbers.weight.length).set(numbers.weight);
    if (numbers.bias) engine.numbers(at.bias, numbers.bias.length).set(numbers.bias);
    const filled = [[layer.x, at.x, numbers.x] as const, [residual, at.residual, numbers.residual] as const];
    for (const [layout, place, data] of filled) {
      if (!layout || !data) continue;
      const memory = laidOut({ layout, images, data });
      engine.numbers(place, memory.length).set(new Float32Array(memory.buffer));
    }
    for (const { function: name, tasks } of packing?.kernel.phases(1) ?? [])
      engine.call(packing!.kernel.name, name, [host, at.weight, 0, 1, 0, tasks]);
    const values = [...operandsOf(layer).map((operand) => at[operand]), scratch, images];
    const calls = kernel.phases(images).map(({ function: phase, first = 0, tasks }): Call => {
      return { phase, values, first, end: first + tasks };
    });
    return new LayerRun(engine, layer, images, { kernel: kernel.name, calls, y: at.y });
  }

  /** `after` is told the name of each phase that is done. */
  run(after?: (phase: string) => void): void {
    for (const { phase, values, first, end } of this.#calls) {
      this.#engine.call(this.#kernel, phase, [...values, first, end]);
      after?.(phase);
    }
  }

  /** Each phase in ranges of so many tasks, the last first: threads may take them in any order. */
  runInRanges(count: number): void {
    for (const { phase, values, first, end } of this.#calls) {
      const starts = Array.from({ length: Math.ceil((end - first) / count) }, (_, range) => first + range * count);
      for (const start of starts.reverse())
        this.#engine.call(this.#kernel, phase, [...values, start, Math.min(start + count, end)]);
    }
  }

  /** y in the host's order. */
  read(): Float32Array {
    const { channels, height, width } = this.#layer.y;
    const data = new Float32Array(this.#images * channels * height * width);
    const memory = this.#memoryOfY();
    eachNumber(this.#layer.y, this.#images, (index, place) => {
      data[index] = memory[place]!;
    });
    return data;
  }

  /** Whether the border of y is as it was. */
  hasCleanBorder(): boolean {
    const own = writable(this.#layer.y, this.#images);
    return this.#memoryOfY().every((value, place) => own.has(place) || Number.isNaN(value));
  }

  #memoryOfY(): Float32Array {
    return this.#engine.numbers(this.#y, (this.#images * imageBytes(this.#layer.y)) / 4);
  }
}
