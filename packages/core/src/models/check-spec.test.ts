import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ResidualError, ShapeError } from "../ir/errors.ts";
import { valuesOf } from "../ir/graph.ts";
import { sizeOf } from "../ir/tensor.ts";
import { concrete } from "../ir/value.ts";
import { type ResNetOptions, resnet } from "./resnet.ts";
import type { ResNetSpec } from "./spec.ts";
import { variants } from "./variants.ts";

const basic: ResNetSpec = { block: "basic", depths: [1, 1], width: 8, classes: 3, size: 32 };
const bottleneck: ResNetSpec = { ...basic, block: "bottleneck" };
const build = (spec: unknown, options?: ResNetOptions) => resnet(spec as ResNetSpec, options);

/** Labels are those of the docstring of `resnet`. */
it.each<[string, unknown, string]>([
  ["R1", null, "expected a spec such as variants.resnet50, found null"],
  ["R1", "resnet50", "found the string resnet50"],
  ["R1", [], "found an array of 0 elements"],
  ["R1", {}, "block is undefined, expected basic or bottleneck"],
  ["R1", { ...basic, block: "bottelneck" }, "block is bottelneck, expected basic or bottleneck"],
  [
    "R1",
    { ...basic, depths: [] },
    "depths is [], expected whole numbers from 1 to 2000, one for each of 1 to 8 stages",
  ],
  ["R1", { ...basic, depths: [1.5] }, "depths is [1.5]"],
  ["R1", { ...basic, depths: [0] }, "depths is [0]"],
  ["R1", { ...basic, depths: [-1] }, "depths is [-1]"],
  ["R1", { ...basic, depths: [Number.NaN] }, "depths is [NaN]"],
  ["R1", { ...basic, depths: ["2"] }, "depths is [2]"],
  ["R1", { ...basic, depths: 3 }, "depths is 3"],
  ["R1", { ...basic, depths: [1e12] }, "depths is [1000000000000]"],
  ["R1", { ...basic, depths: Array(9).fill(1) }, "one for each of 1 to 8 stages"],
  ["R1", { ...basic, width: 65_537 }, "width is 65537, expected a whole number from 1 to 65536"],
  ["R2", { ...basic, depths: [1000, 1001] }, "depths are 2001 blocks in all, expected at most 2000"],
  ["R1", { ...basic, strides: [1, 0] }, "strides is [1,"],
  ["R1", { ...basic, classes: -1 }, "classes is -1, expected a whole number from 0"],
  ["R1", { ...basic, classes: 1.5 }, "classes is 1.5"],
  ["R1", { ...basic, classes: Number.NaN }, "classes is NaN"],
  ["R1", { ...basic, classes: "10" }, "classes is 10, expected a whole number"],
  ["R1", { ...basic, size: 0 }, "size is 0, expected a whole number from 1"],
  ["R1", { ...basic, inputChannels: 0 }, "inputChannels is 0"],
  ["R1", { ...basic, width: 0 }, "width is 0"],
  ["R1", { ...bottleneck, groups: 0 }, "groups is 0"],
  ["R1", { ...basic, growth: 0 }, "growth is 0"],
  ["R1", { ...basic, squeeze: 0 }, "squeeze is 0"],
  ["R1", { ...basic, epsilon: -1 }, "epsilon is -1, expected a number from 0 on"],
  ["R1", { ...basic, stem: "deeper" }, "stem is deeper, expected imagenet or imagenetV2 or keras or deep"],
  ["R1", { ...basic, stem: "constructor" }, "stem is constructor"],
  ["R1", { ...basic, shortcut: "toString" }, "shortcut is toString"],
  ["R1", { ...basic, padding: "valid" }, "padding is valid, expected same"],
  ["R1", { ...basic, bias: 1 }, "bias is 1, expected true or false"],
  ["R1", { ...basic, labels: [1] }, "labels is [1], expected imagenet, cifar10, cifar100 or a list of names"],
  [
    "R1",
    { ...basic, cardinality: 32, depth: 3 },
    "a spec has no field cardinality, depth; it has block, depths, groups",
  ],
  ["R1", { ...basic, block: ["basic", "bottelneck"] }, "expected basic or bottleneck, or one for each stage"],
  ["R1", { ...basic, width: [8, 0] }, "width is [8, 0], expected a whole number from 1"],
  ["R1", { ...basic, strideIn: "middle" }, "strideIn is middle, expected first or last"],
  ["R1", { ...bottleneck, narrowing: 0 }, "narrowing is 0"],
  ["R2", { ...basic, block: ["basic"] }, "1 block for the 2 stages of depths"],
  ["R2", { ...basic, width: [8, 16, 32] }, "3 width for the 2 stages of depths"],
  ["R2", { ...basic, width: [8, 16], growth: 2 }, "growth has no effect"],
  ["R3", { ...basic, narrowing: 2 }, "narrowing 2 are for a bottleneck"],
  ["R2", { ...basic, strides: [1] }, "1 strides for the 2 stages of depths"],
  ["R2", { ...basic, strides: [1, 2, 2] }, "3 strides for the 2 stages of depths"],
  ["R2", { ...basic, strides: [1, 2], transition: true }, "strides have no effect"],
  ["R3", { ...basic, groups: 32, widthPerGroup: 4 }, "groups 32 and widthPerGroup 4 are for a bottleneck"],
  ["R3", { ...basic, widthPerGroup: 128 }, "groups 1 and widthPerGroup 128 are for a bottleneck"],
  ["R3", { ...basic, strideOn: "conv2" }, "the first 3×3 of a basic block is conv1"],
  ["R4", { ...basic, preActivation: true, squeeze: 16 }, "squeeze has no effect with preActivation"],
  ["R4", { ...basic, preActivation: true, reluAfterAdd: false }, "reluAfterAdd has no effect"],
  ["R5", { ...basic, classes: 0, softmax: true }, "a softmax needs classes, found 0"],
  ["R6", { ...bottleneck, widthPerGroup: 1 }, "layer1 has 0 channels"],
  ["R6", { ...basic, growth: 1.3 }, "layer2 has 10.4 channels"],
  ["R6", { ...basic, width: 1 << 15, growth: 4 }, "layer2 has 131072 channels"],
])("resnet.%s: %j is refused", (label, spec, message) => {
  const refusal = () => build(spec);
  expect(refusal).toThrow(ShapeError);
  expect(refusal).toThrow(`(resnet.${label})`);
  expect(refusal).toThrow(message);
});

describe("an image", () => {
  it.each([
    [variants.resnet50, [1, 224, 224, 3], "for pictures of 224×224 pixels give 1×3×224×224"],
    [variants.cifar_resnet20, ["N", 32, 32, 3], "give N×3×32×32"],
    [variants.resnet50, [8, 640, 480, 4], "for pictures of 640×480 pixels give 8×4×640×480"],
    [variants.resnet50, [1, 28, 28, 1], "give 1×1×28×28"],
  ] as const)("R8 is [batch, channels, height, width]", (spec, input, message) => {
    expect(() => build(spec, { input })).toThrow(ShapeError);
    expect(() => build(spec, { input })).toThrow(message);
  });

  it("R8 has the channels of the spec, where that says so", () => {
    expect(() => build({ ...basic, inputChannels: 1 }, { input: [1, 3, 32, 32] })).toThrow("inputChannels is 1");
    expect(build({ ...basic, inputChannels: 64 }, { input: [1, 64, 32, 3] }).inputs.image.shape[1]).toBe(64);
    for (const channels of [1, 4, 64])
      expect(build(basic, { input: [1, channels, 32, 32] }).inputs.image.shape[1]).toBe(channels);
  });

  it.each([
    [[]],
    [[1, 3, 32]],
    [[0, 3, 32, 32]],
    [[1, 0, 32, 32]],
    [[1, 3, 1.5, 32]],
    [[1, 3, "N", 32]],
    [["M", 3, 32, 32]],
    ["1x3x32x32"],
    [[1, 3, 32, Number.NaN]],
  ])("R7 %j is refused", (input) => {
    expect((): unknown => Reflect.apply(build, undefined, [basic, { input }])).toThrow(/^input is .* \(resnet\.R7\)$/);
  });
});

it("takes what torchvision takes: 1 group of 64 in a basic block", () => {
  expect(valuesOf(build({ ...basic, groups: 1, widthPerGroup: 64 }))).toHaveLength(valuesOf(build(basic)).length);
});

/** Values that some field or other takes. */
const values = fc.oneof(
  fc.constantFrom<unknown>(true, false, undefined, 0, 1, 2, 0.5, 1.5, 4, 8, 16, 64, -1, 1e300, Number.NaN, Infinity),
  fc.constantFrom<unknown>("basic", "bottleneck", "same", "conv1", "conv2", "__proto__", "valueOf", ["a"]),
  fc.constantFrom("imagenet", "keras", "deep", "deepWide", "tiered", "cifar", "bare", "none", "last", "bgr"),
  fc.constantFrom("projection", "projection3x3", "pooled", "unnormalized", "preactivated", "subsampled", "padEnd"),
  fc.constantFrom("layer", "res", "block", "blocks"),
  fc.array(fc.integer({ min: -1, max: 3 }), { maxLength: 3 }),
  fc.anything(),
);
const names = Object.keys(variants).flatMap((name) => Object.keys(variants[name as keyof typeof variants]));
const small = [basic, bottleneck, ...Object.values<ResNetSpec>(variants).map((spec) => ({ ...spec, depths: [1, 1] }))];

it("any spec is built whole, or refused with an error of ours", () => {
  const changes = fc.dictionary(fc.constantFrom(...new Set(names)), values, { maxKeys: 3 });
  const inputs = fc.oneof(
    { weight: 4, arbitrary: fc.constant(undefined) },
    { weight: 1, arbitrary: fc.array(fc.oneof(fc.integer({ min: 0, max: 16 }), fc.anything()), { maxLength: 5 }) },
    { weight: 1, arbitrary: fc.anything() },
  );
  let built = 0;
  fc.assert(
    fc.property(fc.constantFrom(...small), changes, inputs, (spec, change, input) => {
      try {
        const graph = build({ ...spec, ...change }, input === undefined ? {} : { input: input as never });
        for (const { shape } of valuesOf(graph)) expect(sizeOf(concrete(shape, 1))).toBeGreaterThanOrEqual(1);
        built++;
      } catch (error) {
        expect(error).toBeInstanceOf(ResidualError);
      }
    }),
    { numRuns: 3000 },
  );
  expect(built).toBeGreaterThan(300);
});
