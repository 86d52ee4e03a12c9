import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { fixtureInput, fixtureWeights } from "../fixture.ts";
import { bind } from "../passes/bind.ts";
import { reference } from "../reference.ts";
import { summarize } from "../summary.ts";
import { resnet } from "./resnet.ts";
import type { ResNetSpec } from "./spec.ts";
import { modelNames, variants } from "./variants.ts";

interface Family {
  readonly sizes: {
    readonly [name: string]: { readonly side: number; readonly parameters: number; readonly macs: number };
  };
  readonly answers: { readonly [name: string]: { readonly side: number; readonly logits: readonly number[] } };
}

/** What timm, Keras and torchvision say. Source: fixtures/make.py. */
const family = JSON.parse(readFileSync(`${import.meta.dirname}/fixtures/family.json`, "utf8")) as Family;
const rows: Readonly<Record<string, ResNetSpec>> = variants;

it.each(Object.entries(family.sizes))("%s has its authors' number of parameters and multiply-adds", (name, size) => {
  const { parameters, macs } = summarize(resnet(rows[name]!, { input: [1, 3, size.side, size.side] }));
  expect({ parameters, macs }).toEqual({ parameters: size.parameters, macs: size.macs });
});

/** Two blocks a stage, of few channels but where the stem is as wide as the first stage. */
const small: { readonly [name: string]: Partial<ResNetSpec> } = {
  test_resnet: {},
  cifar10_resnet20: {},
  cifar_resnet18: { depths: [1, 1, 1, 1] },
  mxnet_resnet50_v1: { depths: [2, 2, 2, 2] },
  keras_resnet50: { depths: [2, 2, 2, 2] },
  keras_resnet50v2: { depths: [2, 2, 2, 2] },
};

describe("small nets of each kind answer as their authors' code does, in float64", () => {
  it.each(Object.entries(family.answers))("%s", async (name, { side, logits }) => {
    const changes = small[name] ?? { depths: [2, 2, 2, 2], width: 32 };
    const graph = resnet({ ...rows[name]!, ...changes, classes: 10 }, { input: [1, 3, side, side] });
    await using executable = await reference.compile(bind(graph, fixtureWeights(graph, "v1")));
    const answer = await executable.run({ image: fixtureInput("v1", [1, 3, side, side]) });
    const most = Math.max(...logits.map(Math.abs));
    logits.forEach((logit, i) => {
      expect(Math.abs(answer.logits.data[i]! - logit) / most).toBeLessThan(1e-10);
    });
  });
});

it("no two rows are the same network for the same pictures under two names", () => {
  const texts = modelNames.map((name) =>
    JSON.stringify(Object.entries(rows[name]!).toSorted(([a], [b]) => a.localeCompare(b))),
  );
  const twins = modelNames.filter((_, i) => texts.indexOf(texts[i]!) !== i);
  expect(twins).toEqual(["paddle_unit_s1_id", "pytorch_unit_s1_id"]);
});
