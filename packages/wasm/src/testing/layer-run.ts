import { type ConvolutionLayer, operandsOf } from "../convolution/layer.ts";
import type { Strategy } from "../convolution/strategy.ts";
import type { Target } from "../encode/module.ts";
import type { Engine } from "../engine.ts";
import { imageBytes, type Layout, originOf, pixelBytes, planeBytes, quadsOf, rowBytes } from "../layout.ts";
import { engineOf } from "./engine.ts";

/** Numbers in the host's order. */
export interface LayerNumbers {
  readonly x: Float32Array;
  readonly weight: Float32Array;
  readonly bias?: Float32Array;
  readonly residual?: Float32Array;
}

const START = 1024;

/** A call of a function of the kernel. */
interface Call {
  readonly phase: string;
  readonly values: readonly number[];
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
    for (const [layout, place, given] of filled)
      if (layout && given) fill(engine.numbers(place, (images * imageBytes(layout)) / 4), layout, images, given);
    for (const { function: name, tasks } of packing?.kernel.phases(1) ?? [])
      engine.call(packing!.kernel.name, name, [host, at.weight, 0, 1, 0, tasks]);
    const pointers = operandsOf(layer).map((operand) => at[operand as keyof typeof at]);
    const calls = kernel.phases(images).map(({ function: phase, first = 0, tasks }) => ({
      phase,
      values: [...pointers, scratch, images, first, first + tasks],
    }));
    return new LayerRun(engine, layer, images, { kernel: kernel.name, calls, y: at.y });
  }

  /** `after` is told the name of each phase that is done. */
  run(after?: (phase: string) => void): void {
    for (const { phase, values } of this.#calls) {
      this.#engine.call(this.#kernel, phase, values);
      after?.(phase);
    }
  }

  /** Each phase in ranges of so many tasks, the last first: threads may take them in any order. */
  runInRanges(count: number): void {
    for (const { phase, values } of this.#calls) {
      const [first, end] = values.slice(-2) as [number, number];
      const starts = Array.from({ length: Math.ceil((end - first) / count) }, (_, range) => first + range * count);
      for (const start of starts.reverse())
        this.#engine.call(this.#kernel, phase, [...values.slice(0, -2), start, Math.min(start + count, end)]);
    }
  }

  /** y in the host's order. */
  read(): Float32Array {
    const { y } = this.#layer;
    const memory = this.#engine.numbers(this.#y, (this.#images * imageBytes(y)) / 4);
    return Float32Array.from(placesOf(y, this.#images), (place) => memory[place]!);
  }

  /** Whether the border of y is as it was. */
  hasCleanBorder(): boolean {
    const { y } = this.#layer;
    const memory = this.#engine.numbers(this.#y, (this.#images * imageBytes(y)) / 4).slice();
    for (const place of placesOf({ ...y, channels: 4 * quadsOf(y) }, this.#images)) memory[place] = Number.NaN;
    return memory.every(Number.isNaN);
  }
}

/** Where each number of images in the host's order lies in a layout. */
function placesOf(layout: Layout, images: number): number[] {
  const { order, channels, height, width } = layout;
  const [right, together] = [pixelBytes(layout) / 4, order === "quads" ? 4 : channels]; // channels side by side
  const places: number[] = [];
  for (let image = 0; image < images; image++)
    for (let c = 0; c < channels; c++)
      for (let i = 0; i < height; i++)
        for (let j = 0; j < width; j++) {
          const plane = image * imageBytes(layout) + Math.floor(c / together) * planeBytes(layout) + originOf(layout);
          places.push((plane + i * rowBytes(layout)) / 4 + right * j + (c % together));
        }
  return places;
}

/** Zeros in the border, and NaN in lanes behind the last channel. */
function fill(memory: Float32Array, layout: Layout, images: number, numbers: Float32Array): void {
  memory.fill(0);
  const lanes = layout.order === "quads" ? 4 * quadsOf(layout) : layout.channels;
  for (const place of placesOf({ ...layout, channels: lanes }, images)) memory[place] = Number.NaN;
  for (const [at, place] of placesOf(layout, images).entries()) memory[place] = numbers[at]!;
}
