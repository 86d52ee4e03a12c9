import {
  type Backend,
  bind,
  fixtureInput,
  fixtureWeights,
  type Graph,
  nodesOf,
  ops,
  optimize,
  type Pass,
  type ResNetSpec,
  type Rules,
  resnet,
  rewrite,
  variants,
} from "@residual/core";
import { describe, expect, it } from "vitest";
import { backends } from "../testing/backends.ts";
import { describeOutcome } from "./check.ts";
import { runNodes } from "./nodes.ts";
import type { Outcome } from "./trial.ts";

const plain: Pass = (graph) => graph;

/**
 * A model with weights and an input that need no download. Shapes are small, and uneven where windows can reach beyond
 * the border.
 */
function fixture(spec: ResNetSpec, input: readonly number[]) {
  const model = resnet(spec, { input });
  return { graph: bind(model, fixtureWeights(model, "v1")), inputs: { image: fixtureInput("v1", input) } };
}

async function outcomesOf(backend: Backend, { graph, inputs }: ReturnType<typeof fixture>, pass: Pass = plain) {
  const outcomes: Outcome[] = [];
  for await (const outcome of runNodes(backend, { graph: pass(graph), inputs })) outcomes.push(outcome);
  return outcomes;
}

const isOver = ({ share }: Outcome): boolean => !(share <= 1);

/** onnx on graphs that `rules` rewrites first. */
function broken(rules: Rules): Backend {
  const { onnx } = backends;
  return { ...onnx!, compile: (graph, options) => onnx!.compile(rewrite(graph, rules), options) };
}

describe("a backend that is wrong", () => {
  const model = fixture(variants.cifar_resnet20, [1, 3, 32, 32]);
  const bare: Graph = model.graph;
  const namesOf = (op: string, graph: Graph) => nodesOf(graph).flatMap((node) => (node.op === op ? [node.name] : []));

  it("in batchNorm's epsilon: each norm is found, and nothing else", async () => {
    const backend = broken({
      batchNorm: (norm) => (norm.attributes.epsilon === 1e-3 ? norm : ops.batchNorm(norm.inputs, { epsilon: 1e-3 })),
    });
    const over = (await outcomesOf(backend, model)).filter(isOver);
    expect(over.map(({ trial }) => trial.name)).toEqual(namesOf("batchNorm", bare));
    expect(describeOutcome(over[0]!)).toMatch(
      /^bn1: batchNorm\(x 1×16×32×32, .*epsilon 0\.00001\) -> 1×16×32×32: at \[0, \d+, \d+, \d+\] expected \S+, got \S+, \d+/,
    );
  });

  it("in the padding of fused convolutions: each that has some is found", async () => {
    const backend = broken({
      fusedConv2d(conv) {
        const [top, left, bottom, right] = conv.attributes.padding;
        const shifted = { ...conv.attributes, padding: [top + 1, left, bottom - 1, right] as const };
        return top > 0 && top === bottom ? ops.fusedConv2d(conv.inputs, shifted) : conv;
      },
    });
    const over = (await outcomesOf(backend, model, optimize)).filter(isOver);
    expect(over.map(({ trial }) => trial.name)).toEqual(namesOf("fusedConv2d", optimize(bare)));
  });

  it("in one node of all: it alone is found, though what follows would be fed by it", async () => {
    const index = nodesOf(bare).findIndex(({ name }) => name === "layer2.1.bn1");
    const backend = broken({
      batchNorm: (norm) =>
        norm.name === `y${index}` && norm.attributes.epsilon !== 1e-3
          ? ops.batchNorm(norm.inputs, { epsilon: 1e-3 })
          : norm,
    });
    const over = (await outcomesOf(backend, model)).filter(isOver);
    expect(over.map(({ trial }) => trial.name)).toEqual(["layer2.1.bn1"]);
  });
});
