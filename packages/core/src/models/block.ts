import { named, type Value } from "../ir/value.ts";
import { add, globalAveragePool, multiply, sigmoid } from "../ops/index.ts";
import { type ConvOptions, convolution, norm, rectify } from "./layers.ts";
import { shortcut } from "./shortcut.ts";
import type { BlockKind, ResNetSpec } from "./spec.ts";

export interface BlockOptions {
  readonly kind: BlockKind;
  /** Channels of the 3×3 convolution. */
  readonly width: number;
  /** Channels of the block's output. */
  readonly channels: number;
  readonly stride: number;
}

interface Layer extends ConvOptions {
  readonly outputs: number;
}

/** The convolutions of a block, in order, named `conv1`, `conv2` and so on. */
const layers: { readonly [Kind in BlockKind]: (spec: ResNetSpec, options: BlockOptions) => Layer[] } = {
  /** Two 3×3 convolutions; the first has the stride. */
  basic: (_, { channels, stride }) => [
    { kernel: 3, outputs: channels, stride },
    { kernel: 3, outputs: channels },
  ],
  /** 1×1 narrows, 3×3 mixes, 1×1 widens. */
  bottleneck({ groups = 1, strideOn = "conv2", narrowing = 1, bias }, { width, channels, stride }) {
    const pointwise = { kernel: 1, ...(bias === "pointwise" && { bias: true }) };
    return [
      { ...pointwise, outputs: Math.floor(width / narrowing), stride: strideOn === "conv1" ? stride : 1 },
      { kernel: 3, outputs: width, stride: strideOn === "conv2" ? stride : 1, groups },
      { ...pointwise, outputs: channels },
    ];
  },
};

/** A residual block: relu(branch(x) + shortcut(x)); with pre-activation, branch(x) + shortcut(x). */
export function block(spec: ResNetSpec, x: Value, name: string, options: BlockOptions): Value {
  return spec.preActivation ? preActivated(spec, x, name, options) : postActivated(spec, x, name, options);
}

/** conv, norm, ReLU, …, conv, norm, then add and ReLU (He et al. 2015, figures 2 and 5). */
function postActivated(spec: ResNetSpec, x: Value, name: string, options: BlockOptions): Value {
  const convs = layers[options.kind](spec, options);
  const branch = convs.reduce((value, { outputs, ...layer }, i) => {
    const conv = convolution(spec, value, `${name}.conv${i + 1}`, outputs, layer);
    const normalized = norm(spec, conv, `${name}.bn${i + 1}`);
    return i < convs.length - 1 ? rectify(normalized, reluName(name, i)) : normalized;
  }, x);
  const gated = spec.squeeze === undefined ? branch : squeezeExcite(branch, name, spec.squeeze);
  const sum = named(`${name}.add`, add({ a: gated, b: shortcut(spec, { x, active: x, name, ...options }) }));
  return (spec.reluAfterAdd ?? true) ? rectify(sum, reluName(name, convs.length - 1)) : sum;
}

/** norm, ReLU, conv, …, then add and nothing more (He et al. 2016, figure 1b). */
function preActivated(spec: ResNetSpec, x: Value, name: string, options: BlockOptions): Value {
  const active = rectify(norm(spec, x, `${name}.bn1`), `${name}.relu`);
  const convs = layers[options.kind](spec, options);
  const branch = convs.reduce((value, { outputs, ...layer }, i) => {
    const input = i === 0 ? active : rectify(norm(spec, value, `${name}.bn${i + 1}`), reluName(name, i));
    const normalized = i < convs.length - 1;
    return convolution(spec, input, `${name}.conv${i + 1}`, outputs, { ...layer, normalized });
  }, active);
  return named(`${name}.add`, add({ a: branch, b: shortcut(spec, { x, active, name, ...options }) }));
}

/** torchvision's modules share one ReLU per block; torch.fx counts its calls: `relu`, `relu_1`, `relu_2`. */
function reluName(name: string, call: number): string {
  return call === 0 ? `${name}.relu` : `${name}.relu_${call}`;
}

/**
 * Each channel times a gate that is computed from the means of all channels (Hu et al. 2018, section 3). Names are
 * timm's.
 */
function squeezeExcite(x: Value, name: string, reduction: number): Value {
  const channels = x.shape[1] as number;
  const dense = (value: Value, layer: string, outputs: number) =>
    convolution({ block: "basic", depths: [] }, value, `${name}.se.${layer}`, outputs, { kernel: 1, bias: true });
  const mean = named(`${name}.se.pool`, globalAveragePool({ x }));
  const squeezed = rectify(dense(mean, "fc1", squeezedChannels(channels, reduction)), `${name}.se.act`);
  const gate = named(`${name}.se.gate`, sigmoid({ x: dense(squeezed, "fc2", channels) }));
  return named(`${name}.se`, multiply({ x, gate }));
}

/** timm's make_divisible: the nearest multiple of 8, at least 8. */
function squeezedChannels(channels: number, reduction: number): number {
  return Math.max(8, Math.floor((channels / reduction + 4) / 8) * 8);
}
