import { f32, f64, i32, type Local, type V128, v128 } from "../encode/expression.ts";
import type { Body } from "../encode/function.ts";
import { formatLayout, type ImageLayout, quadsOf } from "../layout.ts";
import { type Kernel, phase } from "./kernel.ts";
import { loadPixel, overPixels, type Pixel, planeOf, planeTask, UNROLLED } from "./planes.ts";

/** A sum per channel over the images and pixels of some inputs. Vectors of one number per channel may be read, too. */
interface ChannelSum {
  readonly name: string;
  /** Inputs of the same size. */
  readonly images: readonly (readonly [operand: string, layout: ImageLayout])[];
  /** Vectors [C], in quads. */
  readonly vectors: readonly string[];
  /** The term of a pixel, given its numbers and the vectors. */
  readonly term: (pixel: readonly V128[], vectors: readonly V128[]) => V128;
  /** The result for four channels, given their sums and the vectors. */
  readonly finish?: (body: Body, sum: V128, vectors: readonly V128[]) => V128;
}

/**
 * A task of the first phase sums a plane of an image, in parallel sums that hide the latency of an addition; one of the
 * second phase sums the images of four channels. y is [C] in quads.
 */
function channelSums({ name, images, vectors, term, finish }: ChannelSum): Kernel {
  const [, first] = images[0]!;
  const quads = quadsOf(first);
  const operands = [...images.map(([operand]) => operand), ...vectors, "y"];
  const vectorsAt = (body: Body, values: { readonly [operand: string]: Local<"i32"> }, quad: Local<"i32">) =>
    vectors.map((vector) => body.let(v128.load(i32.add(values[vector]!, i32.times(quad, 16)))));
  return {
    name: `${name} ${images.map(([, layout]) => formatLayout(layout)).join(", ")}`,
    operands,
    work: first.channels * first.height * first.width,
    scratch: (count) => 16 * count * quads,
    phases: (count) => [
      { function: "planes", tasks: count * quads },
      { function: "images", tasks: quads },
    ],
    define(module) {
      phase(module, "planes", operands, (body, values) =>
        body.range(values.first!, values.end!, (task) => {
          const at = planeTask(body, task, quads);
          const held = vectorsAt(body, values, at.quad);
          const planes = images.map(([operand, layout]) => ({ at: planeOf(values[operand]!, layout, at), layout }));
          const sums = Array.from({ length: UNROLLED }, () => body.local("v128"));
          body.setAll(sums, v128.const(0));
          const visit = (pixels: readonly Pixel[], turn: number) =>
            body.set(sums[turn]!, v128.add(sums[turn]!, term(pixels.map(loadPixel), held)));
          overPixels(body, [first.height, first.width], planes, visit);
          const parts: readonly V128[] = sums;
          body.store(
            i32.add(values.scratch!, i32.times(task, 16)),
            parts.reduce((a, b) => v128.add(a, b)),
          );
        }),
      );
      phase(module, "images", operands, (body, values) =>
        body.range(values.first!, values.end!, (quad) => {
          const from = body.let(i32.add(values.scratch!, i32.times(quad, 16)));
          const sum = body.local("v128");
          body.set(sum, v128.const(0));
          body.times(values.images!, () => {
            body.set(sum, v128.add(sum, v128.load(from)));
            body.advance(from, 16 * quads);
          });
          const whole = finish ? finish(body, sum, vectorsAt(body, values, quad)) : sum;
          body.store(i32.add(values.y!, i32.times(quad, 16)), whole);
        }),
      );
    },
  };
}

/** Σ x */
export function channelSum(x: ImageLayout): Kernel {
  return channelSums({ name: "channelSum", images: [["x", x]], vectors: [], term: ([value]) => value! });
}

/** Σ x / count */
export function batchMean(x: ImageLayout, count: number): Kernel {
  return channelSums({
    name: `batchMean ${count}`,
    images: [["x", x]],
    vectors: [],
    term: ([value]) => value!,
    finish: (_, sum) => v128.div(sum, v128.const(count)),
  });
}

/** Σ (x − mean)² / count */
export function batchVariance(x: ImageLayout, count: number): Kernel {
  return channelSums({
    name: `batchVariance ${count}`,
    images: [["x", x]],
    vectors: ["mean"],
    term([value], [mean]) {
      const difference = v128.sub(value!, mean!);
      return v128.mul(difference, difference);
    },
    finish: (_, sum) => v128.div(sum, v128.const(count)),
  });
}

/** Σ dy · (x − mean) / √(variance + epsilon) */
export function batchNormScaleGradient(x: ImageLayout, dy: ImageLayout, epsilon: number): Kernel {
  return channelSums({
    name: `batchNormScaleGradient ${epsilon}`,
    images: [
      ["x", x],
      ["dy", dy],
    ],
    vectors: ["mean", "variance"],
    term: ([value, slope], [mean]) => v128.mul(v128.sub(value!, mean!), slope!),
    finish: (body, sum, [, variance]) => v128.mul(sum, reciprocalRoot(body, variance!, epsilon)),
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
