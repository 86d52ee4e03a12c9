import { type AnyNode, concrete, formatShape, is, type Node } from "@residual/core";
import type { Choice, Cost } from "./choice.ts";
import * as plainKernels from "./kernels/index.ts";
import { quadConv2d } from "./kernels/quad-conv2d.ts";
import { sharedConv2d, sharedParts, sumSplits } from "./kernels/shared-conv2d.ts";
import { stripConv2d } from "./kernels/strip-conv2d.ts";
import { tiledConv2d } from "./kernels/tiled-conv2d.ts";

/** A way to run a convolution: a choice that leaves nothing to choose, and its name, by which it is remembered. */
export interface Candidate {
  readonly name: string;
  readonly choice: Choice;
}

/** What decides how long a convolution takes; shapes as lowering has them. */
export interface Layer {
  readonly inputs: { readonly [input: string]: { readonly shape: readonly number[] } | undefined };
  readonly attributes: Node<"fusedConv2d">["attributes"];
}

/** A cost of products alone, so that Winograd's algorithm is the cheaper one: its transforms broadcast nothing. */
export const onlyProducts: Cost = { load: 0, store: 0, broadcast: 1, fma: 0, keep: 0, step: 0, byte: 0 };

/** Workgroups that a GPU's dispatch should have, some of which suit one GPU and some another. */
const GPU_WORKGROUPS = [1, 32, 128, 512];

/** Every way there is with the kernels of a choice. The plain kernel is the last, and always among them. */
export function candidatesOf(all: Choice): readonly Candidate[] {
  const { cost, tiles = [], strips = [], winograd = [], sharedAtLeast, tuned: _, ...rest } = all;
  const { memory = "buffers" } = rest;
  const { inFours, ...nothing } = rest;
  const plain = { name: "plain", choice: nothing };
  const last = inFours ? [{ name: quadConv2d(memory).name, choice: rest }, plain] : [plain];
  if (sharedAtLeast !== undefined) {
    const ways = [[], ...winograd.map((each) => [each])];
    const shared = GPU_WORKGROUPS.flatMap((atLeast) =>
      ways.map((algorithm): Candidate => {
        const name = [`shared, ${atLeast} workgroups`, ...algorithm.map((each) => each.name)].join(", ");
        return { name, choice: { ...rest, sharedAtLeast: atLeast, winograd: algorithm } };
      }),
    );
    return [...shared, ...last];
  }
  if (!cost) return last;
  return [
    ...tiles.map(
      (tile): Candidate => ({ name: tiledConv2d(tile)(memory).name, choice: { ...rest, cost, tiles: [tile] } }),
    ),
    ...strips.map(
      (strip): Candidate => ({ name: stripConv2d(strip)(memory).name, choice: { ...rest, cost, strips: [strip] } }),
    ),
    ...winograd.flatMap((each) =>
      tiles.map((tile): Candidate => {
        const name = `${each.name}, ${tiledConv2d(tile)(memory).name}`;
        return { name, choice: { ...rest, cost: onlyProducts, tiles: [tile], winograd: [each] } };
      }),
    ),
    ...last,
  ];
}

/** The programs that a choice may come to: where one is changed, what was found out about it no longer holds. */
export function kernelTexts({
  memory = "buffers",
  products,
  tiles = [],
  strips = [],
  winograd = [],
}: Choice): readonly string[] {
  const transforms = winograd.flatMap(({ inputTransform, outputTransform, weightTransform }) => [
    inputTransform,
    outputTransform,
    weightTransform,
  ]);
  const convolutions = [
    ...tiles.map(tiledConv2d),
    ...strips.map(stripConv2d),
    sharedConv2d(products),
    sharedParts(products),
    sumSplits,
    quadConv2d,
  ];
  return [...Object.values(plainKernels), ...transforms, ...convolutions].map((kernel) => kernel(memory).program);
}

/** The choice that is left for a layer, where one was found the quickest for it; the whole where none was. */
export function tunedChoice(choice: Choice, layer: Layer): Choice {
  const name = choice.tuned?.get(keyOf(layer));
  if (name === undefined) return choice;
  return candidatesOf(choice).find((each) => each.name === name)?.choice ?? choice;
}

/**
 * By what a layer is known again: `x 1×64×56×56, weight 64×64×3×3, stride 1,1, padding 1,1,1,1, dilation 1,1, groups 1,
 * relu true`.
 */
export function keyOf({ inputs, attributes: { stride, padding, dilation, groups, relu } }: Layer): string {
  const shapes = ["x", "weight", "bias", "residual"].flatMap((name) => {
    const shape = inputs[name]?.shape;
    return shape ? `${name} ${formatShape(shape)}` : [];
  });
  const attributes = Object.entries({ stride, padding, dilation, groups, relu });
  return [...shapes, ...attributes.map(([name, value]) => `${name} ${String(value)}`)].join(", ");
}

/** A node that lowering makes a convolution of; undefined for any other. */
export function layerOf(node: AnyNode, batch: number): Layer | undefined {
  const shapes = Object.entries(node.inputs).map(([name, { shape }]) => [name, concrete(shape, batch)] as const);
  if (is(node, "conv2d") || is(node, "fusedConv2d")) {
    const inputs = Object.fromEntries(shapes.map(([name, shape]) => [name, { shape }]));
    return { inputs, attributes: { relu: false, ...node.attributes } };
  }
  if (!is(node, "linear")) return undefined;
  const inputs = Object.fromEntries(
    shapes.map(([name, shape]) => [name, { shape: name === "bias" ? shape : [...shape, 1, 1] }]),
  );
  return { inputs, attributes: { stride: [1, 1], padding: [0, 0, 0, 0], dilation: [1, 1], groups: 1, relu: false } };
}
