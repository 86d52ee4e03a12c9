import { resnet, type Tensor, variants } from "@residual/core";
import { expect, it } from "vitest";
import { initialWeights } from "./initial-weights.ts";

const graph = resnet({ ...variants.resnet18, classes: 10 });
const { tensors } = initialWeights(graph, 1);
const moments = ({ data }: Tensor<"float32">) => {
  const mean = data.reduce((sum, value) => sum + value, 0) / data.length;
  return { mean, variance: data.reduce((sum, value) => sum + (value - mean) ** 2, 0) / data.length };
};

/** kaiming_normal_(mode="fan_out", nonlinearity="relu"): variance 2 / (outputs · window). */
it.each([
  ["conv1.weight", 2 / (64 * 49)],
  ["layer1.0.conv1.weight", 2 / (64 * 9)],
  ["layer4.0.downsample.0.weight", 2 / 512],
])("%s has the variance of He et al.", (name, variance) => {
  const found = moments(tensors.get(name)!);
  const count = tensors.get(name)!.data.length;
  expect(Math.abs(found.mean)).toBeLessThan(5 * Math.sqrt(variance / count));
  expect(Math.abs(found.variance - variance)).toBeLessThan(5 * variance * Math.sqrt(2 / count));
});

it("a linear layer is uniform up to 1 / √inputs, its bias too", () => {
  const bound = 1 / Math.sqrt(512);
  for (const name of ["fc.weight", "fc.bias"]) {
    const { data } = tensors.get(name)!;
    expect(Math.max(...data.map(Math.abs))).toBeLessThanOrEqual(bound);
  }
  const { variance } = moments(tensors.get("fc.weight")!);
  expect(Math.abs(variance - bound ** 2 / 3)).toBeLessThan(5 * bound ** 2 * Math.sqrt(4 / 45 / 5120));
});

it("norms begin as the identity", () => {
  for (const [name, expected] of [
    ["weight", 1],
    ["bias", 0],
    ["running_mean", 0],
    ["running_var", 1],
  ] as const)
    expect(new Set(tensors.get(`layer2.0.bn1.${name}`)!.data)).toEqual(new Set([expected]));
});

it("depends on the seed alone", () => {
  expect(initialWeights(graph, 1).tensors.get("conv1.weight")).toEqual(tensors.get("conv1.weight"));
  expect(initialWeights(graph, 2).tensors.get("conv1.weight")).not.toEqual(tensors.get("conv1.weight"));
  const only = initialWeights(graph, 1, (name) => name === "fc.bias").tensors;
  expect([...only.keys()]).toEqual(["fc.bias"]);
  expect(only.get("fc.bias")).toEqual(tensors.get("fc.bias"));
});
