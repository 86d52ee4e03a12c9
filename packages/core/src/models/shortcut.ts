import { named, type Value } from "../ir/value.ts";
import { averagePool2d, padChannels, subsample } from "../ops/index.ts";
import { convolution, norm } from "./layers.ts";
import type { ResNetSpec, ShortcutName } from "./spec.ts";

/** A shortcut that changes the shape: reads x, whose pre-activation is `active`, and has `channels` and `stride`. */
interface Change {
  readonly x: Value;
  /** The input of the block's first convolution: x itself, or relu(norm(x)) in a pre-activated block. */
  readonly active: Value;
  readonly name: string;
  readonly channels: number;
  readonly stride: number;
}

/**
 * The shortcut of a block: x itself if the shape stays (He et al. 2015, equation 1), else one of these (equation 2).
 */
const changes: { readonly [Name in ShortcutName]: (spec: ResNetSpec, change: Change) => Value } = {
  /** A 1×1 convolution and a norm: torchvision's, option B. */
  projection: (spec, change) => project(spec, change, ["downsample.0", "downsample.1"]),
  /** Like `projection`, but 3×3 with a stride above 1, as in SENet-154 (Hu et al. 2018, section 6.3). */
  projection3x3: (spec, change) => project(spec, change, ["downsample.0", "downsample.1"], change.stride === 1 ? 1 : 3),
  /** Like `projection`, with Paddle's names. */
  paddle: (spec, change) => project(spec, change, ["shortcut", "shortcut_bn"]),
  /** A 1×1 convolution without a norm, as in MLPerf Tiny's Keras model. */
  unnormalized: (spec, change) => project(spec, change, ["downsample.0"]),
  /** A 1×1 convolution of the pre-activation, without a norm (He et al. 2016, appendix). */
  preactivated: (spec, change) => project(spec, { ...change, x: change.active }, ["shortcut"]),
  /**
   * As in Keras' networks: a 1×1 convolution of the pre-activation if the channels change; else every stride-th pixel
   * of x.
   */
  subsampled: (spec, change) =>
    change.x.shape[1] === change.channels
      ? step(change)
      : project(spec, { ...change, x: change.active }, ["downsample.0"]),
  /** Average pooling with the stride, then a 1×1 convolution and a norm (He et al. 2019, figure 2c). */
  pooled: (spec, { x, stride, ...change }) =>
    project(spec, { ...change, x: pool(x, change.name, stride), stride: 1 }, ["downsample.1", "downsample.2"]),
  /** Option A: every stride-th pixel, and zeros for the new channels, half of them in front. */
  padEven: (_, change) => pad(change, (zeros) => zeros / 2),
  /** Option A with all zeros behind, as in fb.resnet.torch. */
  padEnd: (_, change) => pad(change, () => 0),
};

export const shortcutNames: readonly string[] = Object.keys(changes);

export function shortcut(spec: ResNetSpec, change: Change): Value {
  const { x, channels, stride } = change;
  if (stride === 1 && x.shape[1] === channels) return x;
  return changes[spec.shortcut ?? "projection"](spec, change);
}

function project(spec: ResNetSpec, change: Change, [conv, bn]: readonly [string, string?], kernel = 1): Value {
  const { x, name, channels, stride } = change;
  const options = { kernel, stride, normalized: bn !== undefined };
  const projected = convolution(spec, x, `${name}.${conv}`, channels, options);
  return bn === undefined ? projected : norm(spec, projected, `${name}.${bn}`);
}

function pool(x: Value, name: string, stride: number): Value {
  if (stride === 1) return x;
  return named(`${name}.downsample.0`, averagePool2d({ x }, { window: stride, ceil: true }));
}

function pad(change: Change, inFront: (zeros: number) => number): Value {
  const { x, name, channels } = change;
  const zeros = channels - (x.shape[1] as number);
  const before = inFront(zeros);
  return named(`${name}.pad`, padChannels({ x: step(change) }, { before, after: zeros - before }));
}

function step({ x, name, stride }: Change): Value {
  return stride === 1 ? x : named(`${name}.subsample`, subsample({ x }, { stride }));
}
