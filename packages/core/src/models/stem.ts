import { named, type Value } from "../ir/value.ts";
import { maxPool2d, zeroPad2d } from "../ops/index.ts";
import { convolution, norm, paddingOf, planesOf, rectify } from "./layers.ts";
import type { ResNetSpec, StemName } from "./spec.ts";

interface Stem {
  readonly kernel: number;
  readonly stride: number;
  /** Outputs of the convolutions before the last, each followed by norm and ReLU. */
  readonly before?: readonly number[];
  /** Outputs of the last convolution. Default: the planes of the first stage. */
  readonly outputs?: number;
  /** Whether norm and ReLU follow the last convolution. A pre-activated network may leave both to its first block. */
  readonly norm: boolean;
  /** "zeros" pads the max pool with zeros, which can be the maximum, instead of −∞. */
  readonly pool: boolean | "zeros";
  /** Whether a norm comes before the first convolution, instead of a fixed mean and deviation. */
  readonly inputNorm?: boolean;
}

const stems: { readonly [Name in Exclude<StemName, "none">]: Stem } = {
  imagenet: { kernel: 7, stride: 2, norm: true, pool: true },
  imagenetV2: { kernel: 7, stride: 2, norm: true, pool: true, inputNorm: true },
  keras: { kernel: 7, stride: 2, norm: false, pool: "zeros" },
  deep: { kernel: 3, stride: 2, before: [32, 32], outputs: 64, norm: true, pool: true },
  deepWide: { kernel: 3, stride: 2, before: [64, 64], outputs: 128, norm: true, pool: true },
  deepNarrow: { kernel: 3, stride: 2, before: [16, 16], outputs: 32, norm: true, pool: true },
  tiered: { kernel: 3, stride: 2, before: [24, 32], outputs: 64, norm: true, pool: true },
  cifar: { kernel: 3, stride: 1, norm: true, pool: false },
  bare: { kernel: 3, stride: 1, norm: false, pool: false },
};

/**
 * From the image to the first features: `conv1`, `bn1`, `relu`, `maxpool`. The convolutions of a deep stem are named
 * `conv1.0` to `conv1.6`, as in timm.
 */
export function stem(spec: ResNetSpec, image: Value): Value {
  const name = spec.stem ?? "imagenet";
  if (name === "none") return image;
  const { kernel, stride, before = [], norm: normalized, pool, inputNorm, outputs = planesOf(spec, 0) } = stems[name];
  const start = inputNorm ? norm(spec, image, "bn0") : image;
  const narrow = before.reduce((x, outputs, i) => {
    const conv = convolution(spec, x, `conv1.${3 * i}`, outputs, { kernel, stride: i === 0 ? stride : 1 });
    return rectify(norm(spec, conv, `conv1.${3 * i + 1}`), `conv1.${3 * i + 2}`);
  }, start);
  const last = before.length > 0 ? { name: `conv1.${3 * before.length}`, stride: 1 } : { name: "conv1", stride };
  const wide = convolution(spec, narrow, last.name, outputs, { kernel, stride: last.stride, normalized });
  const active = normalized ? rectify(norm(spec, wide, "bn1"), "relu") : wide;
  if (pool === "zeros")
    return named("maxpool", maxPool2d({ x: named("pad", zeroPad2d({ x: active }, { padding: 1 })) }, window));
  return pool ? maxPool(spec, active) : active;
}

const window = { window: 3, stride: 2 } as const;

function maxPool(spec: ResNetSpec, x: Value): Value {
  const [, , h, w] = x.shape as [unknown, unknown, number, number];
  return named("maxpool", maxPool2d({ x }, { ...window, padding: paddingOf(spec, [h, w], 3, 2) }));
}

export const stemNames: readonly string[] = Object.keys(stems);
