import { type Backend, nodesOf, reference, UnsupportedError } from "@residual/core";
import { expect, it } from "vitest";
import { conform } from "../conform.ts";
import { opNames } from "../ops/suites.ts";

/** The reference without the ops that only training has. */
const forInference: Backend = {
  ...reference,
  name: "for inference",
  compile(graph, options) {
    const strange = nodesOf(graph).find(({ op }) => !opNames.some((name) => name === op));
    if (strange) throw new UnsupportedError(`for inference: ${strange.op} has no kernel`);
    return reference.compile(graph, options);
  },
};

const others = ["ops", "nodes", "models", "images", "behaviour"];

it("a backend that does not train is told so, and conforms without level train", async () => {
  const { sections } = await conform(forInference, { without: others });
  expect(sections.length).toBeGreaterThan(5);
  for (const { level, checks, skipped } of sections) {
    expect([level, checks]).toEqual(["train", []]);
    expect(skipped).toMatch(/^for inference does not train: for inference: \w+ has no kernel$/);
  }
});

it("a backend that does not train fails level train if it is named", async () => {
  const all = ["special values", "random shapes"].map((name) => `train/ops on ${name}`);
  const rest = ["PyTorch's gradients", "finite differences", "nodes of a step", "three steps"];
  const without = [...all, ...rest.map((name) => `train/${name}`)];
  const { passed, sections } = await conform(forInference, { only: ["train"], without });
  expect(passed).toBe(false);
  expect(sections[0]!.checks[0]!.message).toContain("UnsupportedError: for inference");
});
