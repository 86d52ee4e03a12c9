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

/**
 * Sides of the image in pixels, and images per batch. The sides are common sizes, and odd sizes that no tile divides.
 */
const sweeps = {
  quick: { sides: [33, 224], batches: [1, 2], most: 1.2e8 },
  full: { sides: [32, 33, 64, 97, 128, 131, 160, 192, 224, 225, 256, 299, 320], batches: [1, 2, 3, 8], most: Infinity },
} as const;

/** An op's application in a network: all properties that distinguish it from others, without numbers. */
export interface Application {
  readonly op: OpName;
  readonly attributes: object;
  readonly shapes: { readonly [input: string]: readonly number[] };
  /** The shape of the output. */
  readonly shape: readonly number[];
  readonly macs: number;
}

/** The ops that can be checked at single elements. */
const swept: ReadonlySet<string> = new Set(opNames.filter((op) => "cut" in suites[op]));

/**
 * Every distinct convolution, pool and linear layer in the family's networks, as built and as optimized, at each side
 * and batch. Level quick leaves out the slow applications.
 */
export function applications(level: "quick" | "full"): readonly Application[] {
  known[level] ??= distinct(level);
  return known[level];
}

/** The applications found so far. Level full takes two seconds to find, and each part of the sweep asks for it. */
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

/**
 * The family with two blocks per stage. The third block and all later ones equal the second. Many networks differ in
 * depth only.
 */
function kinds(): readonly ResNetSpec[] {
  const specs = Object.values<ResNetSpec>(variants).map((spec) => shallow(spec));
  return [...new Map(specs.map((spec) => [JSON.stringify(spec), spec])).values()];
}

/** The same network with at most two blocks a stage. */
export function shallow(spec: ResNetSpec): ResNetSpec {
  return { ...spec, depths: spec.depths.map((depth) => Math.min(depth, 2)) };
}

/** The number of applications of each op at level quick. */
const QUICK = 50;

/** The same number of applications of each op, from the smallest to the largest. */
function spread(all: readonly Application[]): readonly Application[] {
  return [...swept].flatMap((op) => {
    const sorted = all.filter((each) => each.op === op).toSorted((a, b) => a.macs - b.macs);
    const count = Math.min(QUICK, sorted.length);
    return Array.from({ length: count }, (_, i) => sorted[Math.floor((i * sorted.length) / count)]!);
  });
}

/** A model as built and as optimized, at each side that the model accepts. */
function* graphsOf(spec: ResNetSpec, sides: readonly number[]): Generator<Graph> {
  const { inputChannels = 3 } = spec;
  for (const side of sides) {
    const built = builtAt(spec, [1, inputChannels, side, side]);
    if (built) yield* [built, fused(built)];
  }
}

/** The graph with the shapes that `optimize` gives, without folding weights: a convolution with a norm gets a bias. */
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

/** The network for an image size; undefined if the image is too small for the network. */
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
 * The numbers of all trials. Each input takes a part of them: drawing new numbers for each input would take longer than
 * the trial's run.
 */
let pool: Float32Array = new Float32Array(0);

function numbers(shape: readonly number[], offset: number): Tensor<"float32"> {
  const size = sizeOf(shape);
  if (pool.length < offset + size) pool = fill("sweep", "pool", [offset + size], -1, 1).data;
  return tensorOf("float32", shape, pool.subarray(offset, offset + size));
}

/** The start of each input's part of the pool. Equal parts would give sums of squares, which hide mistakes. */
const offsets = [0, 7919, 104_729, 15_485];

/** A share of a list: every `parts`-th element from `part` on. All shares take about as long. */
export interface SweepPart {
  readonly part: number;
  readonly parts: number;
}

/** A part of the applications as trials. A few elements of each trial are checked. */
export function sweepTrials(level: "quick" | "full", { part, parts }: SweepPart = { part: 0, parts: 1 }): Trials {
  const mine = applications(level).filter((_, i) => i % parts === part);
  return { count: mine.length, trials: trialsOf(mine) };
}

/** Draws the numbers of a trial only when the trial is taken. */
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
