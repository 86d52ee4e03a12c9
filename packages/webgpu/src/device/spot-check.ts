import { readRows, rowSize, sizeOf, UnsupportedError, type Value } from "@residual/core";
import { adapterName } from "@residual/kit/gpu";
import type { Layer } from "../decide/layer.ts";
import type { Strategy } from "../decide/strategy.ts";
import { isFloat16, type Memory } from "../kernels/kernel.ts";
import type { Operand } from "../lower/builder.ts";
import { layoutOf } from "../lower/layout.ts";
import type { ChosenLayer } from "../lower/lower.ts";
import { type Arithmetic, type ExactOutput, exactOutput, type Place } from "./exact-output.ts";
import type { Gpu } from "./gpu.ts";
import type { Calls } from "./guard.ts";
import type { PreparedPlan } from "./memory.ts";
import { extentOf, Readout, type Slice } from "./readout.ts";
import type { Copies } from "./run.ts";

/**
 * The outputs that a check computes. A kernel that gets a share s of its outputs wrong passes a check with probability
 * (1 − s)¹⁶.
 */
const SAMPLES = 16;

/** The maximum bytes that a check copies, so that a check fits where a run fits. Larger layers are not checked. */
const MOST_BYTES = 2 ** 26;

/** The golden ratio's inverse: the fractional parts of its multiples are spread evenly over [0, 1). */
const GOLDEN = (Math.sqrt(5) - 1) / 2;

/** The check of one layer in one run. */
export interface SpotCheck extends Disposable {
  /**
   * The copies of the layer's inputs before its first step, and of its result after its last step. At other steps the
   * memory may hold other values.
   */
  readonly copies: Copies;
  /**
   * Call it once the run is done. Throws UnsupportedError if an output is off by more than its bound. Then the layer's
   * kernels are not used again.
   */
  readonly verify: () => Promise<void>;
}

/**
 * The check of a run, if one is due. It computes some outputs of one layer again in float64, from the layer's own
 * inputs. The self-test (self-test.ts) covers only small layers, in a kernel's first runs. Checks take layers and
 * outputs in turn.
 */
export function spotCheckOf(gpu: Gpu, calls: Calls, prepared: PreparedPlan): SpotCheck | undefined {
  const number = gpu.nextCheck();
  if (number === undefined) return undefined;
  const layers = prepared.layers.flatMap((layer) => slicesOf(prepared, layer, number) ?? []);
  const checked = layers[number % layers.length];
  if (!checked) return undefined;
  const { chosen, x, residual, y } = checked;
  const inputs = residual ? [x, residual] : [x];
  const readout = calls(() => new Readout(gpu.device, [y, ...inputs]));
  return {
    copies: new Map([
      [chosen.first, (encoder) => readout.copy(encoder, inputs)],
      [chosen.end, (encoder) => readout.copy(encoder, [y])],
    ]),
    async verify() {
      const mismatch = await mismatchOf(gpu, checked, number, await readout.read(calls));
      if (mismatch) throw await refusal(gpu, checked, mismatch);
    },
    [Symbol.dispose]: () => readout[Symbol.dispose](),
  };
}

/** The numbers of one image in an operand. */
interface ImageSlice extends Slice {
  readonly operand: Operand;
}

/** A layer, and the slices that a check copies. */
interface CheckedLayer {
  readonly chosen: ChosenLayer;
  readonly image: number;
  readonly x: ImageSlice;
  readonly residual: ImageSlice | undefined;
  readonly y: ImageSlice;
}

/**
 * The slices of a layer. Undefined for a layer that is not checked: it is larger than MOST_BYTES, its weights are not
 * constants, or an input is a constant or a variable.
 */
function slicesOf(prepared: PreparedPlan, chosen: ChosenLayer, number: number): CheckedLayer | undefined {
  const { node, inputs, output, layer } = chosen;
  const isConstant = (value: Value | undefined) => value === undefined || value.kind === "constant";
  const isOfRun = ({ storage: { kind } }: Operand) => kind === "value" || kind === "input";
  const { x, residual } = inputs;
  if (!isConstant(node.inputs.weight) || !isConstant(node.inputs.bias)) return undefined;
  if (!isOfRun(x) || (residual && !isOfRun(residual))) return undefined;
  const image = Math.floor(layer.y[0] * ((number * GOLDEN) % 1));
  const of = (operand: Operand) => imageSlice(prepared, operand, image);
  const slices = { x: of(x), residual: residual && of(residual), y: of(output) };
  const bytes = Object.values(slices).reduce((sum, slice) => sum + (slice ? extentOf(slice).bytes : 0), 0);
  return bytes > MOST_BYTES ? undefined : { chosen, image, ...slices };
}

function imageSlice({ plan, placeOf }: PreparedPlan, operand: Operand, image: number): ImageSlice {
  const { storage, shape, order } = operand;
  const { quads, pixels } = layoutOf(shape);
  const count = order === "host" ? sizeOf(shape.slice(1)) : 4 * quads * pixels;
  const memory: Memory = storage.kind === "value" ? plan.slots[plan.slotOf[storage.id]!]!.memory : "buffers";
  return { operand, from: placeOf(storage), memory, first: image * count, count };
}

/** Reads a number of one image, in a channel at a pixel. */
type NumberAt = (channel: number, pixel: number) => number;

function numbersOf({ shape, order }: Operand, data: Float32Array): NumberAt {
  const { pixels } = layoutOf(shape);
  if (order === "host") return (channel, pixel) => data[channel * pixels + pixel]!;
  return (channel, pixel) => data[((channel >> 2) * pixels + pixel) * 4 + (channel & 3)]!;
}

/** An output that is off by more than its bound. */
interface Mismatch extends ExactOutput {
  readonly place: Place;
  readonly found: number;
}

async function mismatchOf(
  gpu: Gpu,
  { chosen, x, residual, y }: CheckedLayer,
  number: number,
  [ofY, ofX, ofResidual]: readonly Float32Array[],
): Promise<Mismatch | undefined> {
  const { layer } = chosen;
  const [yAt, xAt] = [numbersOf(y.operand, ofY!), numbersOf(x.operand, ofX!)];
  const residualAt: NumberAt = residual ? numbersOf(residual.operand, ofResidual!) : () => 0;
  const arithmetic = arithmeticOf(gpu, chosen, y.memory);
  for (const place of placesOf(layer, number)) {
    const parameters = await parametersOf(chosen, place.channel);
    if (!parameters) return undefined;
    const pixel = place.row * layer.y[3] + place.column;
    const inputs = { x: xAt, ...parameters, residual: residualAt(place.channel, pixel) };
    const { value, bound } = exactOutput(layer, arithmetic, inputs, place);
    const found = yAt(place.channel, pixel);
    const isWrong = bound < Infinity && !(Math.abs(found - value) <= bound); // true for NaN too
    if (isWrong) return { place, found, value, bound };
  }
  return undefined;
}

function arithmeticOf({ float16 }: Gpu, { strategy }: ChosenLayer, memory: Memory): Arithmetic {
  return {
    memory: isFloat16(memory) ? "float16" : "float32",
    hasFloat16Products: float16 === "products",
    winograd: strategy.winograd,
  };
}

function placesOf({ y: [, channels, height, width] }: Layer, number: number): readonly Place[] {
  const plane = height * width;
  return Array.from({ length: SAMPLES }, (_, i) => {
    const at = Math.floor(channels * plane * (((number * SAMPLES + i) * GOLDEN) % 1));
    return { channel: Math.floor(at / plane), row: Math.floor((at % plane) / width), column: at % width };
  });
}

/**
 * The weights and the bias of an output channel. Undefined if their source cannot be read again: a check must not fail
 * a run.
 */
async function parametersOf(
  { node }: ChosenLayer,
  channel: number,
): Promise<{ readonly weight: Float32Array; readonly bias: number } | undefined> {
  const { weight, bias } = node.inputs;
  try {
    const [own, [offset = 0] = []] = [await rowOf(weight, channel), await rowOf(bias, channel)];
    return own && { weight: own, bias: offset };
  } catch {
    return undefined; // for example, the file is gone
  }
}

/** A row of a constant, as it was uploaded. */
async function rowOf(value: Value | undefined, row: number): Promise<Float32Array | undefined> {
  if (value?.kind !== "constant") return undefined;
  const into = new Float32Array(rowSize(value.source));
  await readRows(value.source, into, { first: row, end: row + 1 });
  return into;
}

/** The error of a run. Marks the layer's kernels as wrong, also for later processes that share the cache. */
async function refusal(gpu: Gpu, { chosen, image, y }: CheckedLayer, mismatch: Mismatch): Promise<UnsupportedError> {
  const { node, strategy } = chosen;
  const { place, found, value, bound } = mismatch;
  const kernels = strategy.kernels.map((kernel) => kernel(y.memory).name);
  const at = [image, place.channel, place.row, place.column].join(", ");
  if (strategy.trial) {
    for (const name of kernels) gpu.checked.set(name, false); // the next compile or run uses other kernels
    await gpu.remember().catch(() => {}); // without the cache, a later process finds out by itself
  }
  return new UnsupportedError(
    `webgpu: ${adapterName(gpu.shared.adapter)} computes ${node.name} wrong by ${kernels.join(" + ")}: ` +
      `[${at}] is ${found}, expected ${value} within ${bound.toExponential(1)}; earlier results may be wrong too; ` +
      wayOutOf(gpu, strategy),
  );
}

function wayOutOf({ float16 }: Gpu, { trial }: Strategy): string {
  if (!trial) return "the plain kernels are no better: take another backend, or a newer driver";
  if (float16) return "leave float16 out, and it computes in float32";
  return "run it again, or compile again: other kernels compute it from now on";
}
