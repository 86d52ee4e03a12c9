import {
  bind,
  adamw as coreAdamw,
  sgd as coreSgd,
  fixtureWeights,
  type NamedSource,
  parametersOf,
  readTensor,
  resnet,
  tensor,
  trainable,
  trainingStep,
  UnsupportedError,
  variablesOf,
  variants,
} from "@residual/core";
import { describe, expect, it } from "vitest";
import type { AdamWGroup, OptimizerState } from "./checkpoint.ts";
import { bitsOf } from "./testing/bits.ts";
import { checkpointOfVariables, type OptimizerSettings, variablesOfCheckpoint } from "./training-variables.ts";
import { Weights } from "./weights.ts";
import { withCounters } from "./write-checkpoint.ts";

const spec = resnet(variants.pytorch_unit);
const weights = fixtureWeights(spec, "v1").tensors;
const others = fixtureWeights(spec, "v2").tensors;
const names = [...weights.keys()].filter((name) => !name.includes("running_"));

const sgd: OptimizerSettings = {
  kind: "sgd",
  groups: [{ names, lr: 0.1, momentum: 0.9, weightDecay: 0, nesterov: false }],
};
const group: AdamWGroup = { names, lr: 0.1, betas: [0.5, 0.75], eps: 1e-8, weightDecay: 0 };
const adamw: OptimizerSettings = { kind: "adamw", groups: [group] };

const slots = (slot: string) => names.map((name): [string, NamedSource] => [`${name}.${slot}`, others.get(name)!]);
const ofSgd = new Map<string, NamedSource>([...weights, ...slots("momentum_buffer")]);
const ofAdamW = new Map<string, NamedSource>([
  ["step", tensor([], [3])],
  ["adamw.mean_weight", tensor([], [1 - 0.5 ** 3])],
  ["adamw.square_weight", tensor([], [1 - 0.75 ** 3])],
  ...weights,
  ...slots("exp_avg"),
  ...slots("exp_avg_sq"),
]);

describe.each([
  ["SGD", sgd, ofSgd],
  ["AdamW", adamw, ofAdamW],
])("%s", (_, settings, variables) => {
  it("has the variables of a step again after they were a checkpoint", async () => {
    const extra = new Map([
      ...variables,
      ["fc.weight.ema", tensor([1], [1])],
      [`${names[0]}.ema`, tensor([1], [1])],
    ] as const);
    const { weights: held, optimizer } = await checkpointOfVariables(extra, settings);
    expect([...(held as ReadonlyMap<string, unknown>).keys()]).toEqual([...weights.keys(), "fc.weight.ema"]);
    expect(optimizer!.momenta.size).toBe(names.length);
    const state = new Weights(withCounters(weights));
    const back = variablesOfCheckpoint({ weights: state, optimizer });
    expect(await bitsOf(new Weights(back))).toEqual(await bitsOf(new Weights(variables)));
  });

  it("begins with zeros where nothing is remembered", async () => {
    const { optimizer } = await checkpointOfVariables(weights, settings);
    expect(optimizer!.momenta.size).toBe(0);
    const back = variablesOfCheckpoint({ weights: new Weights(weights), optimizer });
    expect([...back.keys()].toSorted()).toEqual([...variables.keys()].toSorted());
    for (const [name, source] of back)
      if (!weights.has(name))
        expect(new Set(Array.from((await readTensor(source)).data as Float32Array)), name).toEqual(new Set([0]));
  });
});

it.each([
  ["SGD", sgd, coreSgd({ momentum: 0.9 })],
  ["AdamW", adamw, coreAdamw()],
])("the variables for %s are those of core's training step", async (_, settings, optimizer) => {
  const network = resnet({ block: "basic", depths: [1, 1], width: 4, stem: "cifar", classes: 3, size: 8 });
  const bound = bind(network, fixtureWeights(network, "v1"));
  const step = trainingStep(trainable(bound, { batch: 2 }), { loss: "crossEntropy", optimizer });
  const variables = new Map(variablesOf(step).map(({ name, source }) => [name, source]));
  const trained = parametersOf(network)
    .map(({ name }) => name)
    .filter((name) => !name.includes("running_"));
  const groups = settings.groups.map((each) => ({ ...each, names: trained }));
  const state = await checkpointOfVariables(variables, { ...settings, groups } as OptimizerSettings);
  expect(state.optimizer!.momenta.size).toBe(trained.length);
  const held = new Weights(state.weights as ReadonlyMap<string, NamedSource>);
  const back = variablesOfCheckpoint({ weights: held, optimizer: state.optimizer });
  expect([...back.keys()].toSorted()).toEqual([...variables.keys()].toSorted());
});

it("a checkpoint without an optimizer has the weights alone", () => {
  const held = new Weights(weights);
  expect([...variablesOfCheckpoint({ weights: held, optimizer: undefined }).keys()]).toEqual([...weights.keys()]);
});

it.each<[string, (state: OptimizerState & { kind: "adamw" }) => OptimizerState, RegExp]>([
  [
    "several betas",
    (state) => ({
      ...state,
      groups: [
        { ...group, names: names.slice(1) },
        { ...group, names: names.slice(0, 1), betas: [0.9, 0.75] },
      ],
    }),
    /parameters with the beta 0\.5 and others with 0\.9, expected one for all; go on from the weights alone/,
  ],
  [
    "several numbers of steps",
    (state) => ({
      ...state,
      momenta: new Map([...state.momenta].map(([name, held], at) => [name, { ...held, step: at }])),
    }),
    /with the step 0 and others with 1/,
  ],
])("%s of AdamW are refused", async (_, change, message) => {
  const { optimizer } = await checkpointOfVariables(ofAdamW, adamw);
  const changed = change(optimizer as OptimizerState & { kind: "adamw" });
  const reading = () => variablesOfCheckpoint({ weights: new Weights(weights), optimizer: changed });
  expect(reading).toThrow(UnsupportedError);
  expect(reading).toThrow(message);
});
