import {
  AbortError,
  type Backend,
  nodesOf,
  ops,
  optimize,
  type Rules,
  reference,
  rewrite,
  ShapeError,
} from "@residual/core";
import { wasm } from "@residual/wasm";
import { describe, expect, it } from "vitest";
import type { Check } from "../report/types.ts";
import { type BisectOptions, bisect, explain } from "./bisect.ts";
import { fixtureModel } from "./fixture-model.ts";
import { type NodeAnswer, nodeAnswers } from "./nodes.ts";

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

describe("bisect of a graph of one's own", () => {
  const subject = fixtureModel("cifar_resnet20", [1, 3, 32, 32], "own");
  const names = nodesOf(optimize(subject.graph)).map(({ name }) => name);

  async function checksOf(backend: Backend, options: BisectOptions = {}) {
    const checks: Check[] = [];
    const found = await bisect(backend, subject, { ...options, onNode: (check) => checks.push(check) });
    return { found, checks };
  }

  async function allAnswers(): Promise<readonly NodeAnswer[]> {
    const answers: NodeAnswer[] = [];
    for await (const answer of nodeAnswers(subject)) answers.push(answer);
    return answers;
  }

  it("gives the check of each node, in order", async () => {
    const { found, checks } = await checksOf(wasm());
    expect(found).toEqual({ model: "cifar_resnet20", shape: [1, 3, 32, 32], nodes: 26, wrongNodes: [] });
    expect(checks.map(({ name }) => name)).toEqual(names);
    expect(Math.max(...checks.map(({ share }) => share!))).toBeGreaterThan(0);
  });

  it("gives the same with answers that were computed before, which can be posted", async () => {
    const answers = structuredClone(await allAnswers());
    const backends = [wasm(), { ...wasm({ winograd: false }), name: "plain" }, broken(shifted)];
    for (const backend of backends)
      expect(await checksOf(backend, { answers }), backend.name).toEqual(await checksOf(backend));
  });

  it("A1 refuses answers of another graph", async () => {
    const answers = await allAnswers();
    const others = [answers.slice(0, 3), answers.toReversed(), [{ ...answers[0]!, value: new Float64Array(3) }]];
    for (const each of others) await expect(bisect(reference, subject, { answers: each })).rejects.toThrow(ShapeError);
    await expect(bisect(reference, subject, { answers: [] })).rejects.toThrow(
      /^the answers have nothing for the node relu 1×16×32×32; take nodeAnswers of the same graph.*\(bisect\.A1\)$/,
    );
  });

  it("can be aborted, and so can its answers", async () => {
    const stop = new AbortController();
    const onNode = () => stop.abort();
    await expect(bisect(reference, subject, { signal: stop.signal, onNode })).rejects.toThrow(AbortError);
    await expect(nodeAnswers(subject, { signal: stop.signal }).next()).rejects.toThrow(AbortError);
  });
});
