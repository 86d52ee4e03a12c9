import { type AnyNode, graph, input, type Node, named, ops, reference } from "@residual/core";
import { describe, expect, it } from "vitest";
import { cheapestForm, forms, weightGradient } from "./lower-weight-gradient.ts";
import { ModelBuilder } from "./model-builder.ts";
import { encodeModel, readModel } from "./model-proto.ts";
import { concatenate } from "./protobuf.ts";
import { runModel } from "./testing/onnxruntime.ts";
import { fill } from "./testing/values.ts";

interface Draft {
  readonly x: readonly [n: number, c: number, h: number, w: number];
  readonly outputs: number;
  readonly kernel: readonly [number, number];
  readonly stride?: number;
  readonly padding?: readonly [number, number, number, number];
  readonly dilation?: readonly [number, number];
  readonly groups?: number;
}

/** The gradient of a weight, for x and a dy of the convolution's shape. */
function gradientOf({ x: shape, outputs, kernel, groups = 1, ...options }: Draft) {
  const x = input("x", shape);
  const weight = input("weight", [outputs, shape[1] / groups, ...kernel]);
  const dy = input("dy", ops.conv2d({ x, weight }, { ...options, groups }).shape);
  const node = named("y", ops.conv2dWeightGradient({ x, dy }, { ...options, groups, kernel }));
  return { node: node as AnyNode & Node<"conv2dWeightGradient">, x, dy };
}

const pointwise: { readonly [title: string]: Draft } = {
  "1×1": { x: [3, 4, 5, 6], outputs: 5, kernel: [1, 1] },
  "1×1, stride 2": { x: [3, 4, 5, 6], outputs: 5, kernel: [1, 1], stride: 2 },
};
const grouped: { readonly [title: string]: Draft } = {
  "1×1 in groups": { x: [2, 6, 4, 3], outputs: 9, kernel: [1, 1], groups: 3 },
};
const others: { readonly [title: string]: Draft } = {
  "3×3": { x: [3, 4, 5, 6], outputs: 5, kernel: [3, 3], padding: [1, 1, 1, 1] },
  "3×3, stride 2, of an even size": { x: [2, 4, 6, 6], outputs: 5, kernel: [3, 3], stride: 2, padding: [1, 1, 1, 1] },
  "3×3, stride 2, of an odd size": { x: [2, 4, 7, 5], outputs: 5, kernel: [3, 3], stride: 2, padding: [1, 1, 1, 1] },
  "7×7, stride 2": { x: [2, 3, 12, 13], outputs: 4, kernel: [7, 7], stride: 2, padding: [3, 3, 3, 3] },
  "2×3, padded unevenly": { x: [2, 3, 5, 6], outputs: 4, kernel: [2, 3], padding: [0, 2, 1, 0] },
  "3×2, dilated": { x: [2, 3, 8, 9], outputs: 4, kernel: [3, 2], dilation: [2, 3], padding: [2, 1, 2, 1] },
  "3×3 in groups": { x: [2, 6, 5, 4], outputs: 9, kernel: [3, 3], padding: [1, 1, 1, 1], groups: 3 },
  "3×3, a group for each channel": { x: [2, 4, 5, 4], outputs: 4, kernel: [3, 3], padding: [1, 1, 1, 1], groups: 4 },
  "1×1, padded": { x: [2, 3, 4, 5], outputs: 4, kernel: [1, 1], padding: [1, 0, 1, 0] },
};

/** Each form with each gradient that it computes. */
const cases = Object.keys(forms).flatMap((form) => {
  const drafts = form.startsWith("a product") ? pointwise : { ...pointwise, ...grouped, ...others };
  const all = form === "a product for each image" ? { ...drafts, ...grouped } : drafts;
  return Object.entries(all).map(([title, draft]) => [form, title, draft] as const);
});

describe.each(["x", "rows"] as const)("from %s", (layout) => {
  it.each(cases.filter(([, , { groups = 1 }]) => layout === "x" || groups === 1))("%s: %s", async (form, _, draft) => {
    const { node, x, dy } = gradientOf(draft);
    const whole = graph({ name: "gradient", inputs: { x, dy }, outputs: { y: node } });
    const [image, slope] = [fill(x.shape as readonly number[], 1), fill(dy.shape as readonly number[], 2)];
    await using executable = await reference.compile(whole);
    const { y: expected } = await executable.run({ x: image, dy: slope });

    const model = new ModelBuilder(whole, "standard");
    const rows = () => model.step("Transpose", node, "rows", ["x"], { perm: { ints: [0, 2, 3, 1] } });
    const names = layout === "x" ? { x: "x", dy: "dy" } : { rows: rows(), dy: "dy" };
    expect(weightGradient(model, node, names, forms[form])).toBe("y");
    const lowered = await readModel({
      name: "gradient",
      nodes: model.nodes,
      inputs: [x, dy],
      outputs: [{ name: "y", shape: node.shape }],
      values: [],
      initializers: [...model.weights, ...model.numbers],
      variables: [],
      metadata: {},
    });
    const { y: found } = await runModel(concatenate(encodeModel(lowered, "1")), { x: image, dy: slope });
    expect(found!.shape).toEqual(expected.shape);
    // Sums of up to 2 · 12 · 13 products of numbers up to 2.
    const largest = 4 * 312 * 312 * 2 ** -24;
    for (const [i, value] of expected.data.entries()) expect(Math.abs(found!.data[i]! - value)).toBeLessThan(largest);
  });
});

it.each<[string, string, Draft]>([
  ["ResNet-20's first stage", "a convolution by dy, a group for each image", layer(128, 16, 32, 16)],
  ["ResNet-20's last stage", "a convolution by dy, images as channels", layer(128, 64, 8, 64)],
  ["ResNet-18's last stage", "a convolution by dy, images as channels", layer(32, 512, 7, 512)],
  [
    "ResNeXt-50's first stage",
    "a convolution by dy, a group for each image",
    { ...layer(8, 128, 56, 128), groups: 32 },
  ],
  ["ResNet-50's first bottleneck", "a product for each image", { x: [8, 64, 56, 56], outputs: 256, kernel: [1, 1] }],
  ["ResNet-50's last bottleneck", "a product over all images", { x: [8, 2048, 7, 7], outputs: 512, kernel: [1, 1] }],
])("for %s takes %s", (_, form, draft) => {
  expect(cheapestForm(gradientOf(draft).node)).toBe(form);
});

function layer(n: number, c: number, size: number, outputs: number): Draft {
  return { x: [n, c, size, size], outputs, kernel: [3, 3], padding: [1, 1, 1, 1] };
}
