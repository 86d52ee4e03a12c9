import { named, type Value } from "../ir/value.ts";
import { maxPool2d } from "../ops/index.ts";
import { convolution, norm, paddingOf, rectify } from "./layers.ts";
import type { ResNetSpec, StemName } from "./spec.ts";

interface Stem {
  readonly kernel: number;
  readonly stride: number;
  /** Outputs of the convolutions before the last one; they come with norm and ReLU. */
  readonly before?: readonly number[];
  /** Whether norm and ReLU follow the last convolution; a pre-activated network may leave them to its first block. */
  readonly norm: boolean;
  readonly pool: boolean;
  /** Whether a norm comes first of all, instead of a fixed mean and deviation. */
  readonly inputNorm?: boolean;
}

const stems: { readonly [Name in Exclude<StemName, "none">]: Stem } = {
  imagenet: { kernel: 7, stride: 2, norm: true, pool: true },
  imagenetV2: { kernel: 7, stride: 2, norm: true, pool: true, inputNorm: true },
  deep: { kernel: 3, stride: 2, before: [32, 32], norm: true, pool: true },
  tiered: { kernel: 3, stride: 2, before: [24, 32], norm: true, pool: true },
  cifar: { kernel: 3, stride: 1, norm: true, pool: false },
  bare: { kernel: 3, stride: 1, norm: false, pool: false },
};

/**
 * Image to the first features: `conv1`, `bn1`, `relu`, `maxpool`. A deep stem is `conv1.0` to `conv1.6`, as timm has
 * it.
 */
export function stem(spec: ResNetSpec, image: Value): Value {
  const name = spec.stem ?? "imagenet";
  if (name === "none") return image;
  const { kernel, stride, before = [], norm: normalized, pool, inputNorm } = stems[name];
  const start = inputNorm ? norm(spec, image, "bn0") : image;
  const narrow = before.reduce((x, outputs, i) => {
    const conv = convolution(spec, x, `conv1.${3 * i}`, outputs, { kernel, stride: i === 0 ? stride : 1 });
    return rectify(norm(spec, conv, `conv1.${3 * i + 1}`), `conv1.${3 * i + 2}`);
  }, start);
  const last = before.length > 0 ? { name: `conv1.${3 * before.length}`, stride: 1 } : { name: "conv1", stride };
  const wide = convolution(spec, narrow, last.name, spec.width ?? 64, { kernel, stride: last.stride });
  const active = normalized ? rectify(norm(spec, wide, "bn1"), "relu") : wide;
  return pool ? maxPool(spec, active) : active;
}

function maxPool(spec: ResNetSpec, x: Value): Value {
  const [, , h, w] = x.shape as [unknown, unknown, number, number];
  return named("maxpool", maxPool2d({ x }, { window: 3, stride: 2, padding: paddingOf(spec, [h, w], 3, 2) }));
}
