import fc from "fast-check";
import { fill } from "../fixture.ts";
import { type Graph, graph, parametersOf } from "../ir/graph.ts";
import type { Tensor } from "../ir/tensor.ts";
import { input, parameter, type Value } from "../ir/value.ts";
import { ops } from "../ops/nodes.ts";
import { bind } from "../passes/bind.ts";

/** One choice of what to do next; what it means depends on the values there are. */
interface Step {
  readonly kind: number;
  readonly from: number;
  readonly other: number;
  readonly size: number;
  readonly flag: boolean;
}

const step: fc.Arbitrary<Step> = fc.record({
  kind: fc.nat(13),
  from: fc.oneof({ weight: 6, arbitrary: fc.constant(0) }, fc.nat(4)), // mostly the last one, so that chains grow
  other: fc.nat(4),
  size: fc.integer({ min: 1, max: 4 }),
  flag: fc.boolean(),
});

/** Small bound graphs of every op on images, with shared values, biases or none, and more than one output. */
export const randomGraph: fc.Arbitrary<Graph> = fc
  .record({
    steps: fc.array(step, { minLength: 4, maxLength: 14 }),
    outputs: fc.array(fc.nat(9), { minLength: 0, maxLength: 2 }),
  })
  .map(({ steps, outputs }) => {
    const image = input("image", ["N", 3, 6, 5]);
    const values: Value[] = [image];
    for (const [i, choice] of steps.entries()) values.push(apply(choice, values, i));
    const chosen = [values.at(-1)!, ...outputs.map((i) => values[i % values.length]!)];
    const named = Object.fromEntries(chosen.map((value, i) => [`out${i}`, value]));
    const open = graph({ name: "random", inputs: { image }, outputs: named });
    return bind(open, { tensors: randomWeights(open) });
  });

function apply({ kind, from, other, size, flag }: Step, values: readonly Value[], id: number): Value {
  const x = values.at(-1 - (from % values.length))!;
  const [, c, h, w] = x.shape as [unknown, number, number, number];
  const same = values.filter((value) => value.shape.join() === x.shape.join());
  const partner = same[other % same.length]!;
  const conv = (kernel: number, options: object) => {
    const weight = parameter(`p${id}.weight`, [size, c, kernel, kernel]);
    return ops.conv2d({ x, weight, bias: flag ? parameter(`p${id}.bias`, [size]) : undefined }, options);
  };
  const channel = (field: string) => parameter(`p${id}.${field}`, [c]);
  switch (kind) {
    case 0:
    case 13:
      return ops.relu({ x });
    case 1:
    case 12:
      return ops.add({ a: x, b: partner });
    case 2:
      return ops.sigmoid({ x });
    case 3:
      return ops.multiply({ x, gate: ops.globalAveragePool({ x: partner }) });
    case 4:
      return h > 1 && w > 1 ? ops.maxPool2d({ x }, { window: 2, stride: 1, padding: [0, 1, 1, 0] }) : ops.relu({ x });
    case 5:
      return ops.averagePool2d({ x }, { window: 2, ceil: true });
    case 6:
      return ops.padChannels({ x: ops.subsample({ x }, { stride: size }) }, { before: 1, after: flag ? 1 : 0 });
    case 7:
    case 8:
      return ops.batchNorm({
        x,
        scale: channel("scale"),
        shift: channel("shift"),
        mean: channel("mean"),
        variance: channel("variance"),
      });
    case 9:
      return conv(1, { stride: flag ? 1 : 2 });
    default:
      return conv(3, { padding: 1 });
  }
}

function randomWeights(graph: Graph): ReadonlyMap<string, Tensor> {
  return new Map(
    parametersOf(graph).map(({ name, shape }) => {
      const low = name.endsWith("variance") ? 0.5 : -1; // clear of zero, so that it is a variance
      return [name, fill("random", name, shape, low, 1)];
    }),
  );
}

/** The image that random graphs take, for a batch of n. */
export function randomImage(n: number): Tensor<"float32"> {
  return fill("random", "image", [n, 3, 6, 5], -1, 1);
}
