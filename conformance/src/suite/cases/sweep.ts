import {
  type AnyNode,
  fill,
  formatShape,
  fuseEpilogues,
  type Graph,
  is,
  macsOf,
  nodesOf,
  type OpName,
  ops,
  parameter,
  type ResNetSpec,
  resnet,
  rewrite,
  rolesOf,
  ShapeError,
  sizeOf,
  type Tensor,
  tensorOf,
  variants,
} from "@residual/core";
import { opNames, suites } from "../ops/suites.ts";
import { samplesOf } from "../sample.ts";
import type { Trial, Trials } from "../trial.ts";
import { parametersAmong } from "./written.ts";

/** Sides of the image in pixels (common ones, and odd ones that no tile divides), and images of a batch. */
const sweeps = {
  quick: { sides: [33, 224], batches: [1, 2], most: 1.2e8 },
  full: { sides: [32, 33, 64, 97, 128, 131, 160, 192, 224, 225, 256, 299, 320], batches: [1, 2, 3, 8], most: Infinity },
} as const;

/** An op's application in a network: the properties that distinguish it from others, without numbers. */
export interface Application {
  readonly op: OpName;
  readonly attributes: object;
  readonly shapes: { readonly [input: string]: readonly number[] };
  /** Of the output. */
  readonly shape: readonly number[];
  readonly macs: number;
}

/** The ops of which single elements can be held. */
const swept: ReadonlySet<string> = new Set(opNames.filter((op) => "cut" in suites[op]));

/**
 * Every distinct convolution, pool and linear layer that a network of the family asks for, as it is built and as it is
 * optimized, at each of the sides and batches. The quick ones leave out what takes long.
 */
export function applications(level: "quick" | "full"): readonly Application[] {
  known[level] ??= distinct(level);
  return known[level];
}

/** The full ones take two seconds to find, and each part of the sweep asks for them. */
const known: { [level: string]: readonly Application[] } = {};

function distinct(level: "quick" | "full"): readonly Application[] {
  const { sides, batches, most } = sweeps[level];
  const found = new Map<string, Application>();
  for (const spec of kinds()) {
    for (const graph of graphsOf(spec, sides)) {
      for (const node of nodesOf(graph)) {
        if (!swept.has(node.op)) continue;
        for (const batch of batches) {
          const application = applicationOf(node, batch);
          if (application.macs <= most) found.set(keyOf(application), application);
        }
      }
    }
  }
  return level === "full" ? [...found.values()] : spread([...found.values()]);
}

/** The family, two blocks to a stage: the third and all after it are as the second. Many differ in depth alone. */
function kinds(): readonly ResNetSpec[] {
  const specs = Object.values<ResNetSpec>(variants).map((spec) => shallow(spec));
  return [...new Map(specs.map((spec) => [JSON.stringify(spec), spec])).values()];
}

/** The same network with at most two blocks a stage. */
export function shallow(spec: ResNetSpec): ResNetSpec {
  return { ...spec, depths: spec.depths.map((depth) => Math.min(depth, 2)) };
}

/** How many of each op are quick. */
const QUICK = 50;

/** The same number for each op, from the smallest to the largest. */
function spread(all: readonly Application[]): readonly Application[] {
  return [...swept].flatMap((op) => {
    const sorted = all.filter((each) => each.op === op).toSorted((a, b) => a.macs - b.macs);
    const count = Math.min(QUICK, sorted.length);
    return Array.from({ length: count }, (_, i) => sorted[Math.floor((i * sorted.length) / count)]!);
  });
}

/** A model unchanged and optimized, at each side that it accepts. */
function* graphsOf(spec: ResNetSpec, sides: readonly number[]): Generator<Graph> {
  const { inputChannels = 3 } = spec;
  for (const side of sides) {
    const built = builtAt(spec, [1, inputChannels, side, side]);
    if (built) yield* [built, fused(built)];
  }
}

/** The shapes that `optimize` comes to, with no weights to fold: a norm after a convolution leaves it a bias. */
export function fused(graph: Graph): Graph {
  const folded = rewrite(graph, {
    batchNorm(norm, hasSingleReader) {
      const { x: conv, scale } = norm.inputs;
      if (!is(conv, "conv2d") || !hasSingleReader("x")) return norm;
      return ops.conv2d(
        { ...conv.inputs, bias: parameter(`${norm.name}.bias`, scale.shape as readonly number[]) },
        conv.attributes,
      );
    },
  });
  return fuseEpilogues(folded);
}

/** Undefined for an image that is too small for the network. */
function builtAt(spec: ResNetSpec, input: readonly number[]): Graph | undefined {
  try {
    return resnet(spec, { input });
  } catch (error) {
    if (error instanceof ShapeError) return undefined;
    throw error;
  }
}

function applicationOf(node: AnyNode, batch: number): Application {
  const roles = rolesOf(node);
  const of = (shape: AnyNode["shape"]) => [batch, ...(shape.slice(1) as number[])];
  const shapes = Object.entries(node.inputs).map(([name, { shape }]): [string, readonly number[]] => [
    name,
    roles[name] === "data" ? of(shape) : (shape as readonly number[]),
  ]);
  const common = { op: node.op as OpName, attributes: node.attributes, shapes: Object.fromEntries(shapes) };
  return { ...common, shape: of(node.shape), macs: macsOf(node, 1) * batch };
}

const keyOf = ({ op, attributes, shapes }: Application): string => JSON.stringify([op, attributes, shapes]);

/**
 * The same numbers for all, of which each input takes a part: to draw them anew for each would take longer than to run
 * it.
 */
let pool: Float32Array = new Float32Array(0);

function numbers(shape: readonly number[], offset: number): Tensor<"float32"> {
  const size = sizeOf(shape);
  if (pool.length < offset + size) pool = fill("sweep", "pool", [offset + size], -1, 1).data;
  return tensorOf("float32", shape, pool.subarray(offset, offset + size));
}

/** Where each input's part of the pool begins: none may be another's, or sums of squares would hide a mistake. */
const offsets = [0, 7919, 104_729, 15_485];

/** Which share of a list: every `parts`-th element from `part` on, so that all shares take about as long. */
export interface SweepPart {
  readonly part: number;
  readonly parts: number;
}

/** A part of the applications as trials, a few of whose elements are held. */
export function sweepTrials(level: "quick" | "full", { part, parts }: SweepPart = { part: 0, parts: 1 }): Trials {
  const mine = applications(level).filter((_, i) => i % parts === part);
  return { count: mine.length, trials: trialsOf(mine) };
}

/** Numbers are made when a trial is drawn. */
function* trialsOf(all: readonly Application[]): Generator<Trial> {
  for (const { op, attributes, shapes, shape } of all) {
    const names = Object.keys(shapes);
    const sizes = names.map((name) => `${name} ${formatShape(shapes[name]!)}`).join(", ");
    yield {
      name: `${op} ${sizes} ${Object.values(attributes)
        .map((each) => JSON.stringify(each))
        .join(" ")}`.trimEnd(),
      op,
      attributes,
      inputs: Object.fromEntries(names.map((name, i) => [name, numbers(shapes[name]!, offsets[i]!)])),
      constants: parametersAmong(op, names),
      samples: samplesOf(shape, sizeOf(shape)),
    };
  }
}
