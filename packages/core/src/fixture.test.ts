import { describe, expect, it } from "vitest";
import { fill, fillWhole, fixtureInput, fixtureRolesOf, fixtureWeights } from "./fixture.ts";
import { graph } from "./ir/graph.ts";
import { input, parameter } from "./ir/value.ts";
import { ops } from "./ops/nodes.ts";

it("fills with each whole number of a range, and with no other", () => {
  const { data } = fillWhole("v1", "x", [10, 10], -2, 1);
  expect([...new Set(data)].sort((a, b) => a - b)).toEqual([-2, -1, 0, 1]);
});

// conformance/ holds the fill itself against the goldens' hashes.

it("fills a scalar and nothing at all", () => {
  expect(fill("v1", "x", [], 0, 1).data).toHaveLength(1);
  expect(fill("v1", "x", [0, 3], 0, 1).data).toHaveLength(0);
});

describe("roles", () => {
  it("come from the op that reads a parameter, fused or not", () => {
    const x = input("image", [1, 2, 3, 3]);
    const weights = { weight: parameter("a.weight", [2, 2, 1, 1]), bias: parameter("a.bias", [2]) };
    const plain = graph({ name: "plain", inputs: { image: x }, outputs: { y: ops.conv2d({ x, ...weights }) } });
    const fused = graph({ name: "fused", inputs: { image: x }, outputs: { y: ops.fusedConv2d({ x, ...weights }) } });
    for (const each of [plain, fused]) expect([...fixtureRolesOf(each).values()]).toEqual(["conv_w", "conv_b"]);
  });

  it("tell the last norm of a block by its name", () => {
    const names = [
      "bn1",
      "bn2",
      "a.bn1",
      "a.bn2",
      "b.bn1",
      "b.bn2",
      "b.bn3",
      "c.bn1",
      "d.downsample.1",
      "d.shortcut_bn",
    ];
    const roles = fixtureRolesOf(reading(names));
    const last = names.filter((name) => roles.get(`${name}.weight`) === "bn_gamma_last");
    expect(last).toEqual(["a.bn2", "b.bn3"]);
  });

  it("are missing for a parameter that no such op reads", () => {
    const x = input("image", [1, 2, 3, 3]);
    const y = ops.add({ a: x, b: parameter("shift", [1, 2, 3, 3]) });
    const strange = graph({ name: "strange", inputs: { image: x }, outputs: { y } });
    expect(() => fixtureWeights(strange, "v1")).toThrow(/strange: shift is read by no op/);
  });
});

function reading(names: readonly string[]) {
  const x = input("image", [1, 2, 3, 3]);
  const norms = names.map((name) => {
    const [scale, shift, mean, variance] = ["weight", "bias", "running_mean", "running_var"].map((suffix) =>
      parameter(`${name}.${suffix}`, [2]),
    );
    return [name, ops.batchNorm({ x, scale, shift, mean, variance })] as const;
  });
  return graph({ name: "norms", inputs: { image: x }, outputs: Object.fromEntries(norms) });
}

it("refuses an input that is no image", () => {
  expect(() => fixtureInput("v1", [2, 3])).toThrow("expected [N, C, H, W], found [2, 3] (fixtureInput.C1)");
});
