import {
  applyOp,
  closeBatch,
  concrete,
  differentiate,
  type Executable,
  type Graph,
  hashU32,
  is,
  named,
  type Preprocessing,
  ShapeError,
  type Signal,
  sizeOf,
  tensorOf,
  type Value,
  valuesOf,
} from "@residual/core";
import { byColours, inputOf, type Planes, rolled, stepped } from "./ascent-picture.ts";

/** The layer's numbers, what is made large of each of them, and the gradient of Σ seed · goal by the image. */
export type AscentGraph = Graph<"image" | "seed", "layer" | "goal" | "gradient">;

/** Positive numbers above 1 / 100 are driven by their squares, smaller and negative ones by themselves. */
const SQUARES = 100;

/**
 * A layer of a bound network, for one picture, with the gradient by the image.
 *
 * The goal is x for a layer that has one number for each channel, and x + 100 · max(x, 0)² for maps: where a map
 * answers already, it shall answer more, as in DeepDream (Mordvintsev, Olah, Tyka 2015). The mean of the numbers alone
 * is largest for a white or a black picture in the first layers. x is the layer's output, but of a ReLU its input:
 * behind a ReLU a silent channel has the gradient 0, and no step would wake it.
 *
 * Throws ShapeError if the network has no value of that name.
 */
export function ascentGraph(network: Graph<"image">, name: string): AscentGraph {
  const layer = valueNamed(network, name);
  const source = is(layer, "relu") && layer.inputs.x.kind === "node" ? layer.inputs.x : layer;
  const part = closeBatch({ ...network, outputs: { layer, goal: goalOf(source) }, aliases: {} }, 1);
  const whole = differentiate(part, { of: "goal", by: ["image"], seed: "seed" });
  const { "image.gradient": gradient, ...outputs } = whole.outputs;
  return { ...whole, outputs: { ...outputs, gradient } };
}

function goalOf(x: Value): Value {
  if (x.shape.length < 4) return x;
  const positive = named("ascent/positive", applyOp("relu", { x }, {}));
  const squares = named("ascent/squares", applyOp("times", { a: positive, b: positive }, {}));
  const much = named("ascent/much", applyOp("affine", { x: squares }, { factor: SQUARES, offset: 0 }));
  return named("ascent/goal", applyOp("add", { a: x, b: much }, {}));
}

function valueNamed(network: Graph, name: string): Value {
  const found = valuesOf(network).find((value) => value.name === name);
  if (found) return found;
  throw new ShapeError("ascent", `${network.name} has no layer ${name}`);
}

/** The whole climb: steps get smaller toward its end. */
export const STEPS = 96;
/** Of the first step, in the root of the mean square over the picture's numbers, which are 0 to 1. */
const RATE = 0.05;
/** Share of the way back to grey in each step, so that only what is driven keeps its colour. */
const DECAY = 0.02;

export interface AscentOptions {
  readonly graph: AscentGraph;
  readonly executable: Executable<"image" | "seed", "layer" | "goal" | "gradient">;
  readonly preprocessing: Preprocessing;
  readonly channel: number;
  readonly signal?: Signal | undefined;
}

/** What a channel said to a picture. */
export interface Answer {
  /** Means of the goal and of the layer over the channel's map, and the map's largest number. */
  readonly goal: number;
  readonly mean: number;
  readonly peak: number;
  /** The gradient of the mean goal by the network's input, [3, side, side]. */
  readonly gradient: Planes;
}

/** The answer of a channel, and its gradient, for a picture. */
export async function answerTo(planes: Planes, options: AscentOptions): Promise<Answer> {
  const { graph, executable, preprocessing, channel, signal } = options;
  const shape = concrete(graph.inputs.seed.shape, 1);
  const size = sizeOf(shape.slice(2));
  const seed = new Float32Array(sizeOf(shape));
  seed.fill(1 / size, channel * size, (channel + 1) * size);
  const image = inputOf(planes, preprocessing.crop, preprocessing);
  const found = await executable.run({ image, seed: tensorOf("float32", shape, seed) }, { signal });
  const ownOf = ({ data }: { readonly data: ArrayLike<number> }) =>
    Array.from({ length: size }, (_, i) => data[channel * size + i]!);
  const own = ownOf(found.layer);
  const gradient = Float32Array.from(found.gradient.data);
  return { goal: meanOf(ownOf(found.goal)), mean: meanOf(own), peak: Math.max(...own), gradient };
}

const meanOf = (numbers: readonly number[]): number => numbers.reduce((sum, each) => sum + each, 0) / numbers.length;

/**
 * The picture after step `step` of `STEPS`. The network sees it moved by some pixels, another way in each step, so that
 * no pattern of single pixels is rewarded.
 */
export async function climb(planes: Planes, step: number, options: AscentOptions): Promise<Planes> {
  const { preprocessing } = options;
  const side = preprocessing.crop;
  const reach = Math.round(0.08 * side);
  const [down, right] = [0, 1].map((axis) => (hashU32(1, 2 * step + axis) % (2 * reach + 1)) - reach) as [
    number,
    number,
  ];
  const { gradient } = await answerTo(rolled(planes, side, down, right), options);
  const direction = rolled(byColours(gradient, side, preprocessing), side, -down, -right);
  const rate = RATE * (1 - (0.8 * step) / STEPS);
  return stepped(planes, direction, side, { rate, decay: DECAY });
}
