import { f32, f64, type V128, v128 } from "../encode/expression.ts";
import type { Body } from "../encode/function.ts";
import { formatLayout, type ImageLayout, quadsOf } from "../layout.ts";
import { exponential } from "./exponential.ts";
import { type Kernel, plainKernel } from "./kernel.ts";
import { loadPixel, overPixels, type Pixel, planeOf, planeTask, planeTasks, storePixel, UNROLLED } from "./planes.ts";

/** Numbers per image. */
function sizeOfImage({ channels, height, width }: ImageLayout): number {
  return channels * height * width;
}

/** A function of numbers, four at a time. Equal names mean equal functions. */
export interface Elementwise {
  readonly name: string;
  readonly make: (body: Body, values: readonly V128[]) => V128;
}

/** An input of an elementwise kernel. */
export interface PixelInput {
  readonly operand: string;
  readonly layout: ImageLayout;
  /** Whether it has one image, which is used for all images of y. */
  readonly isShared?: boolean;
}

/**
 * `y = f(x…, scalars…)`, four channels of a pixel at a time. An input of one pixel is used for all pixels. Memory
 * limits the speed: each number is read once and written once.
 */
export function pixelwise(
  { name, make }: Elementwise,
  inputs: readonly PixelInput[],
  y: ImageLayout,
  scalars: readonly string[] = [],
  unrolled = UNROLLED,
): Kernel {
  const shown = inputs.map(({ layout, isShared }) => formatLayout(layout) + (isShared ? " for all" : ""));
  return plainKernel({
    name: `${name} ${[...shown, ...scalars.map(() => "scalar"), formatLayout(y)].join(", ")}`,
    operands: [...inputs.map(({ operand }) => operand), ...scalars, "y"],
    tasks: planeTasks(y),
    work: sizeOfImage(y),
    task(body, task, values) {
      const at = planeTask(body, task, quadsOf(y));
      const held = scalars.map((scalar) => body.let(v128.loadSplat(values[scalar]!)));
      const planes = inputs.map(({ operand, layout, isShared }) => {
        const isPerChannel = layout.height * layout.width === 1;
        const own = isShared ? { ...at, image: body.local("i32") } : at; // image 0
        const pointer = planeOf(values[operand]!, layout, own);
        return { at: pointer, layout, ...(isPerChannel && { stride: [0, 0] as const }) };
      });
      const target = { at: planeOf(values.y!, y, at), layout: y };
      const visit = (pixels: readonly Pixel[]) =>
        storePixel(body, pixels.at(-1)!, make(body, [...pixels.slice(0, -1).map(loadPixel), ...held]));
      overPixels(body, [y.height, y.width], [...planes, target], visit, unrolled);
    },
  });
}

/** The sum of two numbers. */
export const sum: Elementwise = { name: "add", make: (_, [left, right]) => v128.add(left!, right!) };

export function add(a: ImageLayout, b: ImageLayout, y: ImageLayout): Kernel {
  return pixelwise(
    sum,
    [
      { operand: "a", layout: a },
      { operand: "b", layout: b },
    ],
    y,
  );
}

/** x times a gate for each channel, or for each element. */
export function multiply(x: ImageLayout, gate: ImageLayout, y: ImageLayout): Kernel {
  const make: Elementwise["make"] = (_, [left, right]) => v128.mul(left!, right!);
  return pixelwise(
    { name: "multiply", make },
    [
      { operand: "x", layout: x },
      { operand: "gate", layout: gate },
    ],
    y,
  );
}

/** `x < 0 ? 0 : x`, which keeps NaN. */
export function rectified(x: V128): V128 {
  return v128.pmax(x, v128.const(0));
}

export function relu(x: ImageLayout, y: ImageLayout): Kernel {
  return pixelwise({ name: "relu", make: (_, [value]) => rectified(value!) }, [{ operand: "x", layout: x }], y);
}

/** 1 / (1 + e⁻ˣ), lane by lane in float64, rounded once. */
export function sigmoid(x: ImageLayout, y: ImageLayout): Kernel {
  const make: Elementwise["make"] = (body, [value]) => {
    const given = body.let(value!);
    const made = body.local("v128");
    for (let lane = 0; lane < 4; lane++) {
      const power = exponential(body, f64.sub(f64.const(0), f64.promoteF32(v128.lane(given, lane))));
      const answer = f32.demoteF64(f64.div(f64.const(1), f64.add(f64.const(1), power)));
      body.set(made, v128.withLane(made, lane, answer));
    }
    return made;
  };
  return pixelwise({ name: "sigmoid", make }, [{ operand: "x", layout: x }], y, [], 1);
}

/** What follows a batch norm in the same kernel. */
export interface NormEpilogue {
  /** The layout of the value that is added. */
  readonly residual?: ImageLayout;
  readonly relu?: boolean;
}

/**
 * (x − mean) / √(variance + epsilon) · scale + shift, then + residual, then ReLU. The gain is computed in float64 and
 * rounded once.
 */
export function batchNorm(
  x: ImageLayout,
  perChannel: ImageLayout,
  epsilon: number,
  y: ImageLayout,
  { residual, relu: isRectified = false }: NormEpilogue = {},
): Kernel {
  const vectors = ["scale", "shift", "mean", "variance"] as const;
  const operands = ["x", ...vectors, ...(residual ? (["residual"] as const) : []), "y"] as const;
  const layouts = [x, perChannel, ...(residual ? [residual] : []), y];
  return plainKernel({
    name: `batchNorm${residual ? " add" : ""}${isRectified ? " relu" : ""} ${epsilon} ${layouts.map(formatLayout).join(", ")}`,
    operands,
    tasks: planeTasks(y),
    work: sizeOfImage(y),
    task(body, task, { x: from, y: to, ...values }) {
      const at = planeTask(body, task, quadsOf(y));
      const channel = { ...at, image: body.local("i32") }; // 0: the same for all images
      const of = (vector: (typeof vectors)[number]) =>
        body.let(v128.load(planeOf(values[vector], perChannel, channel)));
      const [scale, shift, mean, variance] = [of("scale"), of("shift"), of("mean"), of("variance")];
      const gain = body.local("v128");
      for (let lane = 0; lane < 4; lane++) {
        const root = f64.sqrt(f64.add(f64.promoteF32(v128.lane(variance, lane)), f64.const(epsilon)));
        const value = f32.demoteF64(f64.div(f64.promoteF32(v128.lane(scale, lane)), root));
        body.set(gain, v128.withLane(gain, lane, value));
      }
      const planes = [
        { at: planeOf(from, x, at), layout: x },
        ...(residual && "residual" in values ? [{ at: planeOf(values.residual, residual, at), layout: residual }] : []),
        { at: planeOf(to, y, at), layout: y },
      ];
      overPixels(body, [y.height, y.width], planes, (pixels) => {
        const norm = v128.add(v128.mul(v128.sub(loadPixel(pixels[0]!), mean), gain), shift);
        const sum = residual ? v128.add(norm, loadPixel(pixels[1]!)) : norm;
        storePixel(body, pixels.at(-1)!, isRectified ? rectified(sum) : sum);
      });
    },
  });
}
