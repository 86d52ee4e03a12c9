import { resnet, UnsupportedError, variants } from "@residual/core";
import type { KerasConvolution } from "@residual/weights";
import { describe, expect, it } from "vitest";
import { checkSteps } from "./keras-steps.ts";

const graph = resnet(variants.cifar_resnet20, { name: "cifar_resnet20" });

/** `count` convolutions 3×3. */
const convolutions = (count: number, channels: number, stride: number): readonly KerasConvolution[] =>
  Array.from({ length: count }, () => ({ channels, kernel: [3, 3], stride: [stride, stride] }));

/** He et al. 2015, section 4.2: 3 stages of 3 blocks of 2, the first of the second and third stage with the step 2. */
const whole = [
  ...convolutions(7, 16, 1),
  ...convolutions(1, 32, 2),
  ...convolutions(5, 32, 1),
  ...convolutions(1, 64, 2),
  ...convolutions(5, 64, 1),
];

describe("a Keras network's convolutions", () => {
  it("are those of the model, in any order, and without a head", () => {
    expect(() => checkSteps(whole.toReversed(), graph, "net.keras")).not.toThrow();
    expect(() => checkSteps(whole.slice(0, 9), graph, "net.keras")).not.toThrow();
    expect(() => checkSteps(undefined, graph, "net.keras")).not.toThrow();
  });

  it.each<[string, readonly KerasConvolution[], string]>([
    [
      "a step in another place",
      [...convolutions(7, 16, 1), ...convolutions(2, 32, 2)],
      "3×3 to 32 channels with the stride 2×2",
    ],
    ["no step", convolutions(6, 32, 1), "3×3 to 32 channels with the stride 1×1"],
    ["another kernel", [{ channels: 16, kernel: [1, 3], stride: [1, 1] }], "1×3 to 16 channels with the stride 1×1"],
  ])("with %s are refused, with the convolution", (_, found, words) => {
    expect(() => checkSteps(found, graph, "net.keras")).toThrow(UnsupportedError);
    expect(() => checkSteps(found, graph, "net.keras")).toThrow(
      `net.keras: its configuration has a convolution ${words} where cifar_resnet20 has none, or not so many`,
    );
  });
});
