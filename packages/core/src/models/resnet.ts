import { check } from "../ir/errors.ts";
import { type Graph, graph } from "../ir/graph.ts";
import { input, named, type Shape, type Value } from "../ir/value.ts";
import { flatten, globalAveragePool, softmax } from "../ops/index.ts";
import { type BlockOptions, block } from "./block.ts";
import { checkInput, checkSpec, MOST_CHANNELS } from "./check-spec.ts";
import { blockOf, convolution, fullyConnected, norm, planesOf, rectify } from "./layers.ts";
import type { OutputOf, ResNetSpec, ValueNameOf } from "./spec.ts";
import { stem } from "./stem.ts";
import { variants } from "./variants.ts";

export interface ResNetOptions {
  /** The shape of `image`: [batch, channels, height, width]. Default: an open batch ("N") of the spec's size. */
  readonly input?: Shape;
  readonly name?: string;
}

/** Lets the compiler refuse a misspelt option, which a generic parameter would accept. */
type OnlyKnown<Spec> = { readonly [K in Exclude<keyof Spec, keyof ResNetSpec>]: never };

/** The value reached so far, with the stages passed on the way. */
interface Trunk {
  readonly x: Value;
  readonly aliases: { readonly [alias: string]: string };
}

/**
 * A residual network as a graph, its parameters open: input `image` [N, C, H, W], output `logits` [N, classes]. A spec
 * with a softmax adds the output `probabilities`; without a head the output is `output`. Stages (`stem`, `layer1` … ,
 * `avgpool`, `logits`) and block names are aliases.
 *
 * R1  the spec has the fields of ResNetSpec and no others, each of its kind; depths are of 1 to 8 stages.
 * R2  depths sum to at most 2,000 blocks; strides, and lists of blocks and widths, have the length of depths; strides
 *     exclude a transition; a list of widths excludes growth.
 * R3  a basic block has 1 group of 64 channels, does not narrow, and has the stride in its first convolution, like
 *     torchvision's.
 * R4  a pre-activated block has no squeeze-excitation, and no ReLU after its sum.
 * R5  a softmax needs at least one class.
 * R6  each stage has a whole number of channels, from 1 to 65,536.
 * R7  input is [batch, channels, height, width].
 * R8  input has the spec's inputChannels where they are given, and is not [batch, height, width, channels].
 * Throws ShapeError under these labels, and under those of the ops for an image that is too small; FormatError for
 * preprocessing. Source: He et al. 2015; torchvision's resnet.py for names.
 */
export function resnet<const Spec extends ResNetSpec>(
  spec: Spec & OnlyKnown<Spec>,
  options: ResNetOptions = {},
): Graph<"image", OutputOf<Spec>, ValueNameOf<Spec>> {
  checkSpec(spec);
  const { size = 224, inputChannels = 3 } = spec;
  const shape = options.input ?? ["N", inputChannels, size, size];
  checkInput(spec, shape);
  const image = input("image", shape);
  const start = stem(spec, image);
  const trunk = stages(spec, { x: start, aliases: start === image ? {} : { stem: start.name } });
  const { outputs, aliases } = head(spec, spec.preActivation ? finalActivation(spec, trunk) : trunk);
  const name = options.name ?? nameOf(spec);
  return graph({ name, inputs: { image }, outputs: outputs as { [K in OutputOf<Spec>]: Value }, aliases });
}

function stages(spec: ResNetSpec, trunk: Trunk): Trunk {
  return spec.depths.reduce((before, depth, stage) => {
    const step = spec.strides?.[stage] ?? defaultStep(spec, stage);
    const { x, aliases } = spec.transition && stage > 0 ? transition(spec, before, stage) : before;
    const first = spec.transition ? 1 : step;
    const stepping = spec.strideIn === "last" ? depth - 1 : 0;
    const blocks = Array.from({ length: depth }, (_, i) => ({
      name: blockName(spec, stage, i),
      stride: i === stepping ? first : 1,
    }));
    const passed = blocks.reduce(
      (trunk, { name, stride }) => {
        const x = block(spec, trunk.x, name, { ...widths(spec, stage), stride });
        return { x, aliases: { ...trunk.aliases, [name]: x.name } };
      },
      { x, aliases },
    );
    return { x: passed.x, aliases: { ...passed.aliases, [`layer${stage + 1}`]: passed.x.name } };
  }, trunk);
}

function defaultStep({ strideIn, depths }: ResNetSpec, stage: number): number {
  return stage === (strideIn === "last" ? depths.length - 1 : 0) ? 1 : 2;
}

/** The blocks of a stage: their kind, the channels of their 3×3 convolution, and the channels of their output. */
function widths(spec: ResNetSpec, stage: number): Omit<BlockOptions, "stride"> {
  const { groups = 1, widthPerGroup = 64, narrowing = 1 } = spec;
  const [kind, planes] = [blockOf(spec, stage), planesOf(spec, stage)];
  const channels = planes * (kind === "bottleneck" ? 4 : 1);
  const inner = kind === "bottleneck" ? Math.floor((planes * widthPerGroup) / 64) * groups : planes;
  for (const count of [channels, inner, Math.floor(inner / narrowing)]) {
    const fits = Number.isSafeInteger(count) && count >= 1 && count <= MOST_CHANNELS;
    const expected = `expected a whole number from 1 to ${MOST_CHANNELS}; change width, growth or widthPerGroup`;
    check(fits, "resnet.R6", `layer${stage + 1} has ${count} channels, ${expected}`);
  }
  return { kind, width: inner, channels };
}

function blockName(spec: ResNetSpec, stage: number, index: number): string {
  const before = spec.depths.slice(0, stage).reduce((sum, depth) => sum + depth, 0);
  const names = {
    layer: `layer${stage + 1}.${index}`,
    res: `res${before + index + 1}`,
    block: "block",
    blocks: `blocks.${before + index}`,
  };
  return names[spec.blockNames ?? "layer"];
}

/** A strided convolution, norm and ReLU between two stages: `conv2`, `bn2`, `relu2`. */
function transition(spec: ResNetSpec, { x, aliases }: Trunk, stage: number): Trunk {
  const number = stage + 1;
  const conv = convolution(spec, x, `conv${number}`, widths(spec, stage).channels, { kernel: 3, stride: 2 });
  return { x: rectify(norm(spec, conv, `bn${number}`), `relu${number}`), aliases };
}

/** The norm and ReLU after the last pre-activated block. A trunk without a head has neither. */
function finalActivation(spec: ResNetSpec, { x, aliases }: Trunk): Trunk {
  if (spec.classes === 0) return { x, aliases };
  return { x: rectify(norm(spec, x, "bn"), "final_relu"), aliases };
}

function head(
  spec: ResNetSpec,
  { x, aliases }: Trunk,
): { outputs: { [name: string]: Value }; aliases: Trunk["aliases"] } {
  const { classes = 1000 } = spec;
  if (classes === 0) return { outputs: { output: x }, aliases };
  const pooled = named("avgpool", globalAveragePool({ x }));
  const logits = fullyConnected(named("flatten", flatten({ x: pooled })), "fc", classes);
  const stages = { ...aliases, logits: logits.name };
  if (!spec.softmax) return { outputs: { logits }, aliases: stages };
  return { outputs: { logits, probabilities: named("probabilities", softmax({ x: logits })) }, aliases: stages };
}

function nameOf(spec: ResNetSpec): string {
  return Object.entries<ResNetSpec>(variants).find(([, row]) => row === spec)?.[0] ?? "resnet";
}
