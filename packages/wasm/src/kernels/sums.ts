import { f32, f64, type I32, i32, type Local, type V128, v128 } from "../encode/expression.ts";
import type { Body } from "../encode/function.ts";
import { formatLayout, type ImageLayout, quadsOf } from "../layout.ts";
import { type Kernel, phase, plainKernel } from "./kernel.ts";
import { loadPixel, overPixels, type Pixel, planeOf, planeTask, UNROLLED } from "./planes.ts";

/** Sums per channel over the images and pixels of some inputs. */
interface ChannelSums {
  readonly name: string;
  /** Inputs of the same size. */
  readonly images: readonly (readonly [operand: string, layout: ImageLayout])[];
  /** Vectors [C] in quads that are read, too. */
  readonly vectors: readonly string[];
  /** The terms of a pixel, one for each sum, given its numbers and the vectors. */
  readonly terms: (pixel: readonly V128[], vectors: readonly V128[]) => readonly V128[];
  /** The results for four channels, given their sums and the vectors. */
  readonly finish?: (body: Body, sums: readonly V128[], vectors: readonly V128[]) => readonly V128[];
}

/** Vectors in registers: more parallel sums would be spilled. */
const PARALLEL = 4;

/**
 * A task of the first phase sums a plane of an image, in parallel sums that hide the latency of an addition; one of the
 * second phase sums the images of four channels. y holds a vector [C] in quads for each result, one after the other.
 */
function channelSums({ name, images, vectors, terms, finish }: ChannelSums): Kernel {
  const [, first] = images[0]!;
  const quads = quadsOf(first);
  const count = terms(
    images.map(() => v128.const(0)),
    vectors.map(() => v128.const(0)),
  ).length;
  const unrolled = Math.min(UNROLLED, PARALLEL);
  const operands = [...images.map(([operand]) => operand), ...vectors, "y"];
  const vectorsAt = (body: Body, values: { readonly [operand: string]: Local<"i32"> }, quad: Local<"i32">) =>
    vectors.map((vector) => body.let(v128.load(i32.add(values[vector]!, i32.times(quad, 16)))));
  return {
    name: `${name} ${images.map(([, layout]) => formatLayout(layout)).join(", ")}`,
    operands,
    work: first.channels * first.height * first.width,
    scratch: (batch) => 16 * count * batch * quads,
    phases: (batch) => [
      { function: "planes", tasks: batch * quads },
      { function: "images", tasks: quads },
    ],
    define(module) {
      phase(module, "planes", operands, (body, values) =>
        body.range(values.first!, values.end!, (task) => {
          const at = planeTask(body, task, quads);
          const held = vectorsAt(body, values, at.quad);
          const planes = images.map(([operand, layout]) => ({ at: planeOf(values[operand]!, layout, at), layout }));
          const sums = zeros(body, unrolled, count);
          const visit = (pixels: readonly Pixel[], turn: number) => {
            for (const [which, term] of terms(pixels.map(loadPixel), held).entries())
              body.set(sums[turn]![which]!, v128.add(sums[turn]![which]!, term));
          };
          overPixels(body, [first.height, first.width], planes, visit, unrolled);
          const to = i32.add(values.scratch!, i32.times(task, 16 * count));
          for (let which = 0; which < count; which++) body.store(to, addedUp(sums, which), 16 * which);
        }),
      );
      phase(module, "images", operands, (body, values) =>
        body.range(values.first!, values.end!, (quad) => {
          const from = body.let(i32.add(values.scratch!, i32.times(quad, 16 * count)));
          const [sums = []] = zeros(body, 1, count);
          body.times(values.images!, () => {
            for (const [which, sum] of sums.entries()) body.set(sum, v128.add(sum, v128.load(from, 16 * which)));
            body.advance(from, 16 * count * quads);
          });
          storeResults(body, values.y!, quad, quads, finish?.(body, sums, vectorsAt(body, values, quad)) ?? sums);
        }),
      );
    },
  };
}

function zeros(body: Body, turns: number, count: number): readonly (readonly Local<"v128">[])[] {
  const sums = Array.from({ length: turns }, () => Array.from({ length: count }, () => body.local("v128")));
  body.setAll(sums.flat(), v128.const(0));
  return sums;
}

function addedUp(sums: readonly (readonly V128[])[], which: number): V128 {
  return sums.map((ofTurn) => ofTurn[which]!).reduce((a, b) => v128.add(a, b));
}

/** Stores the numbers of four channels in each of some vectors, which follow one another. */
function storeResults(body: Body, y: I32, quad: I32, quads: number, results: readonly V128[]): void {
  const to = body.let(i32.add(y, i32.times(quad, 16)));
  for (const [which, result] of results.entries()) body.store(to, result, 16 * quads * which);
}

/** Σ x */
export function channelSum(x: ImageLayout): Kernel {
  return channelSums({ name: "channelSum", images: [["x", x]], vectors: [], terms: ([value]) => [value!] });
}

/** Σ x / count */
export function batchMean(x: ImageLayout, count: number): Kernel {
  return channelSums({
    name: `batchMean ${count}`,
    images: [["x", x]],
    vectors: [],
    terms: ([value]) => [value!],
    finish: (_, [sum]) => [v128.div(sum!, v128.const(count))],
  });
}

/** Σ (x − mean)² / count */
export function batchVariance(x: ImageLayout, count: number): Kernel {
  return channelSums({
    name: `batchVariance ${count}`,
    images: [["x", x]],
    vectors: ["mean"],
    terms([value], [mean]) {
      const difference = v128.sub(value!, mean!);
      return [v128.mul(difference, difference)];
    },
    finish: (_, [sum]) => [v128.div(sum!, v128.const(count))],
  });
}

/** Σ dy · (x − mean) / √(variance + epsilon), and Σ dy behind it. */
export function batchNormGradientSums(x: ImageLayout, dy: ImageLayout, epsilon: number): Kernel {
  return channelSums({
    name: `batchNormGradientSums ${epsilon}`,
    images: [
      ["x", x],
      ["dy", dy],
    ],
    vectors: ["mean", "variance"],
    terms: ([value, slope], [mean]) => [v128.mul(v128.sub(value!, mean!), slope!), slope!],
    finish: (body, [own, plain], [, variance]) => [v128.mul(own!, reciprocalRoot(body, variance!, epsilon)), plain!],
  });
}

/**
 * The mean of each channel, and the variance behind it. A task of the first phase computes both for a plane, which it
 * reads twice while it is in cache; one of the second combines the planes of four channels: with n pixels in a plane,
 * mean = Σ mᵢ / images and variance = Σ (sᵢ + n · (mᵢ − mean)²) / count, where sᵢ are sums of squared differences
 * (Chan, Golub and LeVeque 1983).
 */
export function batchStatistics(x: ImageLayout): Kernel {
  const quads = quadsOf(x);
  const operands = ["x", "y"] as const;
  const pixels = x.height * x.width;
  return {
    name: `batchStatistics ${formatLayout(x)}`,
    operands,
    work: x.channels * pixels,
    scratch: (images) => 32 * images * quads,
    phases: (images) => [
      { function: "planes", tasks: images * quads },
      { function: "images", tasks: quads },
    ],
    define(module) {
      phase(module, "planes", operands, (body, { x: from, scratch, first, end }) =>
        body.range(first, end, (task) => {
          const at = body.let(planeOf(from, x, planeTask(body, task, quads)));
          const sumOf = (term: (value: V128) => V128): V128 => {
            const sums = zeros(body, UNROLLED, 1);
            overPixels(body, [x.height, x.width], [{ at, layout: x }], ([pixel], turn) => {
              const [sum] = sums[turn]!;
              body.set(sum!, v128.add(sum!, term(loadPixel(pixel!))));
            });
            return addedUp(sums, 0);
          };
          const to = body.let(i32.add(scratch, i32.times(task, 32)));
          const mean = body.let(
            v128.div(
              sumOf((value) => value),
              v128.const(pixels),
            ),
          );
          body.store(to, mean);
          const difference = body.local("v128");
          const squares = sumOf((value) => {
            body.set(difference, v128.sub(value, mean));
            return v128.mul(difference, difference);
          });
          body.store(to, squares, 16);
        }),
      );
      phase(module, "images", operands, (body, { y, scratch, images, first, end }) =>
        body.range(first, end, (quad) => {
          const planes = i32.add(scratch, i32.times(quad, 32));
          const from = body.local("i32");
          const [[sum]] = zeros(body, 1, 1) as [[Local<"v128">]];
          const overPlanes = (visit: () => void) => {
            body.set(from, planes);
            body.times(images, () => {
              visit();
              body.advance(from, 32 * quads);
            });
          };
          const count = body.let(v128.splat(f32.convertI32(images)));
          overPlanes(() => body.set(sum, v128.add(sum, v128.load(from))));
          const mean = body.let(v128.div(sum, count));
          body.set(sum, v128.const(0));
          overPlanes(() => {
            const difference = body.let(v128.sub(v128.load(from), mean));
            const between = v128.mul(v128.mul(difference, difference), v128.const(pixels));
            body.set(sum, v128.add(sum, v128.add(v128.load(from, 16), between)));
          });
          const variance = v128.div(sum, v128.mul(count, v128.const(pixels)));
          storeResults(body, y, quad, quads, [mean, variance]);
        }),
      );
    },
  };
}

/** The second of two vectors [C] in quads. */
export function secondVector(quads: number): Kernel {
  return plainKernel({
    name: `second of two vectors of ${4 * quads}`,
    operands: ["x", "y"],
    tasks: () => 1,
    work: 4 * quads,
    task: (body, _, { x, y }) => body.copy(y, i32.plus(x, 16 * quads), i32.const(16 * quads)),
  });
}

/** 1 / √(variance + epsilon) of four channels, in float64 and rounded once. */
export function reciprocalRoot(body: Body, variance: V128, epsilon: number): V128 {
  const made = body.local("v128");
  const given = body.let(variance);
  for (let lane = 0; lane < 4; lane++) {
    const root = f64.sqrt(f64.add(f64.promoteF32(v128.lane(given, lane)), f64.const(epsilon)));
    body.set(made, v128.withLane(made, lane, f32.demoteF64(f64.div(f64.const(1), root))));
  }
  return made;
}
