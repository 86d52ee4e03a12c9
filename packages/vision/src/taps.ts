import type { Interpolation } from "@residual/core";
import { type Filter, filters } from "./filters.ts";

/** Bits behind the point of a weight: 8 bits of pixel and 2 of head room are left of 32. Source: Pillow, Resample.c. */
export const PRECISION = 22;

/**
 * One axis of a resize: target pixel `i` is the sum over `t < length[i]` of `weight[i·stride + t] · source[start[i] +
 * t]`.
 */
export interface Taps {
  readonly start: Int32Array;
  readonly length: Int32Array;
  /** Fixed point, 22 bits behind the point. */
  readonly weight: Int32Array;
  readonly stride: number;
}

/** Those of both axes of a picture. */
export interface BothTaps {
  readonly columns: Taps;
  readonly rows: Taps;
}

/** Pixels `from` to before `end` of one axis. */
export interface Range {
  readonly from: number;
  readonly end: number;
}

/** The source pixels that a range of target pixels reads. Both ends of the taps only ever grow. */
export function usedBy({ start, length }: Taps, { from, end }: Range): Range {
  return { from: start[from]!, end: start[end - 1]! + length[end - 1]! };
}

/** Whether the target pixels are neighbours in the source, unchanged: single taps that move on by one. */
export function isCopy({ start, stride }: Taps): boolean {
  return stride === 1 && start.at(-1)! - start[0]! === start.length - 1;
}

/** Target pixels `from` to `from + count` of one axis. */
export interface Span {
  readonly from: number;
  readonly count: number;
}

/** Taps of the last axes, by what made them: most pictures of a folder are of a few sizes. */
const recent = new Map<string, Taps>();
const RECENT = 16;

/** The most weights of taps that are kept. */
const MOST_KEPT = 1 << 16;

/** The taps for `span` of an axis that goes from `source` pixels to `target`. An axis that keeps its size copies. */
export function tapsOf(source: number, target: number, span: Span, interpolation: Interpolation): Taps {
  const key = `${source} ${target} ${span.from} ${span.count} ${interpolation}`;
  const taps = recent.get(key) ?? makeTaps(source, target, span, interpolation);
  if (taps.weight.length > MOST_KEPT) return taps;
  recent.delete(key);
  recent.set(key, taps); // the last in order is the last that was used
  if (recent.size > RECENT) recent.delete(recent.keys().next().value!);
  return taps;
}

function makeTaps(source: number, target: number, span: Span, interpolation: Interpolation): Taps {
  if (source === target) return copies(span, (index) => index);
  if (interpolation === "nearest") return nearestTaps(source, target, span);
  return filterTaps(source, target, span, filters[interpolation]);
}

/** Pillow adds up its step instead of multiplying; so does this, so that rounding falls alike. */
function nearestTaps(source: number, target: number, span: Span): Taps {
  const step = source / target;
  let position = step * 0.5;
  for (let i = 0; i < span.from; i++) position += step;
  return copies(span, () => {
    const index = Math.min(Math.trunc(position), source - 1);
    position += step;
    return index;
  });
}

/** One tap of weight 1 each. */
function copies({ from, count }: Span, sourceOf: (target: number) => number): Taps {
  const start = new Int32Array(count);
  for (let i = 0; i < count; i++) start[i] = sourceOf(from + i);
  return {
    start,
    length: new Int32Array(count).fill(1),
    weight: new Int32Array(count).fill(1 << PRECISION),
    stride: 1,
  };
}

/** Antialiased: where the axis shrinks, the filter widens by as much, and every source pixel counts. */
function filterTaps(source: number, target: number, { from, count }: Span, filter: Filter): Taps {
  const scale = source / target;
  const support = filter.support * Math.max(scale, 1);
  const stride = Math.ceil(support) * 2 + 1;
  const taps = {
    start: new Int32Array(count),
    length: new Int32Array(count),
    weight: new Int32Array(count * stride),
    stride,
  };
  for (let i = 0; i < count; i++) {
    const center = (from + i + 0.5) * scale;
    const first = Math.max(Math.trunc(center - support + 0.5), 0);
    const end = Math.min(Math.trunc(center + support + 0.5), source);
    taps.start[i] = first;
    taps.length[i] = end - first;
    const weights = taps.weight.subarray(i * stride, i * stride + end - first);
    setWeights(weights, filter, first - center + 0.5, 1 / Math.max(scale, 1));
  }
  return taps;
}

/** Weights at `offset`, `offset + 1`, … times `shrink`: divided by their sum in float64, then made fixed point. */
function setWeights(weights: Int32Array, filter: Filter, offset: number, shrink: number): void {
  let sum = 0;
  for (let i = 0; i < weights.length; i++) sum += filter.weight((i + offset) * shrink);
  for (let i = 0; i < weights.length; i++) {
    const weight = filter.weight((i + offset) * shrink);
    weights[i] = fixedPoint(sum === 0 ? weight : weight / sum);
  }
}

/** Rounded half away from zero, as C's cast to int does after ±0.5. */
function fixedPoint(weight: number): number {
  return Math.trunc(weight * (1 << PRECISION) + (weight < 0 ? -0.5 : 0.5));
}
