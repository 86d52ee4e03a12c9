import { type Backend, ops, type Rules, reference, rewrite } from "@residual/core";
import { describe, expect, it } from "vitest";
import { bisect, explain } from "./bisect.ts";

/** The reference on graphs that `rules` rewrites first. */
function broken(rules: Rules, when: (nodes: number) => boolean = () => true): Backend {
  return {
    ...reference,
    compile: (graph, options) => {
      const size = Object.keys(graph.inputs).length;
      return reference.compile(when(size) ? rewrite(graph, rules) : graph, options);
    },
  };
}

const shifted: Rules = {
  fusedConv2d(conv) {
    const { padding, stride } = conv.attributes;
    const [top, left, bottom, right] = padding;
    const moved = { ...conv.attributes, padding: [top + 1, left, bottom - 1, right] as const };
    return stride[0] === 2 && top === 1 && bottom === 1 ? ops.fusedConv2d(conv.inputs, moved) : conv;
  },
};

describe("bisect", () => {
  it("finds nothing in the reference", async () => {
    const found = await bisect(reference, "cifar_resnet20");
    expect(found).toMatchObject({ nodes: 26, wrongNodes: [] });
    expect(found.firstWrongValue).toBeUndefined();
    expect(explain("reference", found)).toContain("every node alone is within its bound, and so is the whole graph");
  });

  it("names the first node that is wrong, and the first wrong value", async () => {
    const found = await bisect(broken(shifted), "cifar_resnet20");
    expect(found.wrongNodes.map(({ name }) => name)).toEqual(["layer2.0.relu", "layer3.0.relu"]);
    expect(found.firstWrongValue).toMatchObject({ name: "layer2.0.relu", op: "fusedConv2d" });
    const text = explain("broken", found);
    expect(text).toContain("first wrong node, run alone on the reference's own inputs: layer2.0.relu");
    expect(text.split("\n").length).toBeLessThan(12);
  });

  it("points between the nodes where each alone is right", async () => {
    const whole = broken(shifted, (inputs) => inputs === 1); // a trial of many nodes has many inputs
    const found = await bisect(whole, "cifar_resnet20");
    expect(found.wrongNodes).toEqual([]);
    expect(found.firstWrongValue).toMatchObject({ name: "layer2.0.relu" });
    expect(explain("broken", found)).toContain("look at what joins the nodes before it");
  });
});
