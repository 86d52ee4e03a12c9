import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  FormatError,
  fixtureWeights,
  type NamedSource,
  readTensor,
  resnet,
  type Tensor,
  tensor,
  tensorOf,
  UnsupportedError,
  variants,
} from "@residual/core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { OptimizerState } from "./checkpoint.ts";
import { readPyTorchCheckpoint } from "./read-checkpoint.ts";
import { readWeights } from "./read-weights.ts";
import { bitsOf } from "./testing/bits.ts";
import { readDamaged } from "./testing/damage.ts";
import { damageCheckpoint } from "./testing/damage-pytorch.ts";
import { Weights } from "./weights.ts";
import { withCounters, writePyTorchCheckpoint } from "./write-checkpoint.ts";
import { writePyTorch } from "./write-pytorch.ts";

const fixtures = new URL("pytorch/fixtures/checkpoints/", import.meta.url);
const fixture = (name: string) => new URL(name, fixtures);

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "residual-checkpoint-"));
});
afterAll(() => rm(folder, { recursive: true }));

/** The optimizer's tensors by the parameter's name and PyTorch's name of the slot, as bits. */
async function slotsOf({ kind, momenta }: OptimizerState): Promise<ReadonlyMap<string, unknown>> {
  const tensors = new Map<string, NamedSource>();
  for (const [name, moments] of momenta) {
    if ("momentumBuffer" in moments) tensors.set(`${name}/momentum_buffer`, moments.momentumBuffer);
    else {
      tensors.set(`${name}/step`, tensorOf("float32", [], Float32Array.of(moments.step)));
      tensors.set(`${name}/exp_avg`, moments.expAvg);
      tensors.set(`${name}/exp_avg_sq`, moments.expAvgSq);
    }
  }
  expect(kind).toBe([...tensors.keys()].some((name) => name.endsWith("/step")) ? "adamw" : kind);
  return bitsOf(new Weights(tensors));
}

const all = ["conv1.weight", "conv1.bias", "bn1.weight", "bn1.bias", "fc.weight", "fc.bias"];
const matrices = ["conv1.weight", "fc.weight"];
const vectors = ["conv1.bias", "bn1.weight", "bn1.bias", "fc.bias"];

describe("what PyTorch's optimizers saved (fixtures/make.py)", () => {
  it.each(["sgd", "adamw", "adamw-split", "sgd-named", "sgd-plain", "untrained"])(
    "%s has the bits that safetensors' own writer gave its momenta, by name",
    async (name) => {
      const expected = await bitsOf(await readWeights(fixture(`${name}.pth.safetensors`)));
      const options = name === "adamw" ? { prefix: "module." } : {};
      const { weights, optimizer } = await readPyTorchCheckpoint(fixture(`${name}.pth`), options);
      expect([...weights.tensors.keys()].filter((key) => all.includes(key))).toEqual(all);
      expect(await slotsOf(optimizer!)).toEqual(expected);
    },
  );

  it("sgd.pth has its settings, epoch and step", async () => {
    const { optimizer, epoch, step } = await readPyTorchCheckpoint(fixture("sgd.pth"));
    expect([epoch, step]).toEqual([1, 2]);
    const group = { names: all, lr: 0.1, momentum: 0.9, dampening: 0, weightDecay: 0.01, nesterov: true };
    expect(optimizer).toMatchObject({ kind: "sgd", groups: [group] });
  });

  it("adamw.pth has its settings", async () => {
    const { optimizer, epoch, step } = await readPyTorchCheckpoint(fixture("adamw.pth"), { prefix: "module." });
    expect([epoch, step]).toEqual([undefined, undefined]);
    const group = { names: all, lr: 0.01, betas: [0.8, 0.99], eps: 1e-6, weightDecay: 0.1 };
    expect(optimizer).toMatchObject({ kind: "adamw", groups: [group] });
  });

  it("groups without names are told by their shapes, groups with names by those", async () => {
    for (const name of ["adamw-split.pth", "sgd-named.pth"]) {
      const { optimizer } = await readPyTorchCheckpoint(fixture(name));
      expect(optimizer!.groups.map(({ names }) => names)).toEqual([matrices, vectors]);
    }
  });

  it("bytes, a Blob and a stream are read too", async () => {
    const bytes = new Uint8Array(await readFile(fixture("sgd.pth")));
    for (const source of [bytes, new Blob([bytes]), new Blob([bytes]).stream()])
      expect((await readPyTorchCheckpoint(source)).optimizer!.momenta.size).toBe(6);
  });

  it.each<[string, RegExp]>([
    [
      "adam.pth",
      /adam\.pth: the optimizer is Adam, whose weight decay goes into its gradients; take torch\.optim\.SGD/,
    ],
    ["amsgrad.pth", /the optimizer has amsgrad set; take/],
    ["rmsprop.pth", /the optimizer has the settings lr, .*; take torch\.optim\.SGD or torch\.optim\.AdamW, or convert/],
    ["some.pth", /has 2 parameters in 1 groups, the network 6; .* make the optimizer with net\.named_parameters\(\)/],
  ])("%s is refused, with the way out", async (name, message) => {
    const reading = readPyTorchCheckpoint(fixture(name));
    await expect(reading).rejects.toThrow(UnsupportedError);
    await expect(reading).rejects.toThrow(message);
  });

  it("a file without an optimizer has none, and a file of another format is refused", async () => {
    await writePyTorch(join(folder, "bare.pth"), { x: tensor([1], [1]) });
    expect(await readPyTorchCheckpoint(join(folder, "bare.pth"))).toMatchObject({
      optimizer: undefined,
      step: undefined,
    });
    await expect(readPyTorchCheckpoint(fixture("sgd.pth.safetensors"))).rejects.toThrow(
      /found safetensors, which holds no optimizer; give a PyTorch checkpoint/,
    );
  });

  it("2,000 damaged files are read or typed errors", async () => {
    const read = async (bytes: Uint8Array) => {
      const { weights, optimizer } = await readPyTorchCheckpoint(bytes);
      const momenta = [...(optimizer?.momenta ?? [])].flatMap(([name, moments]) =>
        Object.entries<number | NamedSource>({ ...moments }).flatMap(([slot, value]): [string, NamedSource][] =>
          typeof value === "object" ? [[`${name}/${slot}`, value]] : [],
        ),
      );
      return new Weights(new Map([...weights.tensors, ...momenta]));
    };
    const counts = await readDamaged(damageCheckpoint, 2000, "checkpoint", read);
    for (const outcome of ["read", "FormatError", "UnsupportedError"] as const)
      expect(counts[outcome]).toBeGreaterThan(9);
  });
});

describe("what is written", () => {
  const weights = fixtureWeights(resnet(variants.pytorch_unit_s1_proj), "v1").tensors;
  const names = [...weights.keys()].filter((name) => !/running/.test(name));
  const like = (name: string, by: number) => {
    const { shape, data } = weights.get(name)!;
    return tensorOf(
      "float32",
      shape,
      data.map((value) => value * by),
    );
  };
  const sgd: OptimizerState<Tensor> & { readonly kind: "sgd" } = {
    kind: "sgd",
    groups: [{ names, lr: 0.1, momentum: 0.9, dampening: 0, weightDecay: 5e-4, nesterov: true }],
    momenta: new Map(names.slice(2).map((name) => [name, { momentumBuffer: like(name, 0.5) }])),
  };
  const adamw: OptimizerState<Tensor> = {
    kind: "adamw",
    groups: [
      { names: names.filter((_, i) => i % 2 === 0), lr: 1e-3, betas: [0.9, 0.999], eps: 1e-8, weightDecay: 0.05 },
      { names: names.filter((_, i) => i % 2 === 1), lr: 1e-4, betas: [0.8, 0.9], eps: 1e-6, weightDecay: 0 },
    ],
    momenta: new Map(names.map((name) => [name, { step: 16, expAvg: like(name, 0.5), expAvgSq: like(name, 0.25) }])),
  };

  it.each([
    ["sgd", sgd],
    ["adamw", adamw],
  ])("%s comes back: names, settings, momenta, epoch and step", async (kind, optimizer) => {
    const path = join(folder, `${kind}.pth`);
    await writePyTorchCheckpoint(path, { weights, optimizer, epoch: 3, step: 2 ** 33 });
    const read = await readPyTorchCheckpoint(path);
    expect(read).toMatchObject({ epoch: 3, step: 2 ** 33, optimizer: { kind, groups: optimizer.groups } });
    expect([...read.optimizer!.momenta.keys()].toSorted()).toEqual([...optimizer.momenta.keys()].toSorted());
    expect(await slotsOf(read.optimizer!)).toEqual(await slotsOf(optimizer));
    expect(await bitsOf(read.weights)).toEqual(await bitsOf(new Weights(withCounters(weights))));
  });

  it("names become the graph's, for the network and its momenta, without the prefix of a wrapper", async () => {
    const wrapped = new Map([...weights].map(([name, source]) => [`module.${name}`, source]));
    const momenta = new Map([...sgd.momenta].map(([name, moments]) => [`module.${name}`, moments]));
    const groups = sgd.groups.map((group) => ({ ...group, names: group.names.map((name) => `module.${name}`) }));
    const path = join(folder, "wrapped.pth");
    await writePyTorchCheckpoint(path, { weights: wrapped, optimizer: { ...sgd, groups, momenta } });
    const read = await readPyTorchCheckpoint(path, { graph: resnet(variants.pytorch_unit_s1_proj) });
    expect([...read.weights.tensors.keys()]).toEqual([...weights.keys()]);
    expect(read.optimizer!.groups).toEqual(sgd.groups);
    expect(await slotsOf(read.optimizer!)).toEqual(await slotsOf(sgd));
  });

  it("the network has a counter of int64 after each running variance, and a counter that is there stays", async () => {
    const seven = tensorOf("int64", [], BigInt64Array.of(7n));
    const given = new Map<string, NamedSource>([...weights, ["block.bn2.num_batches_tracked", seven]]);
    const state = withCounters(given);
    const keys = [...state.keys()];
    for (const name of keys.filter((key) => key.endsWith("running_var")))
      expect(keys[keys.indexOf(name) + 1]).toBe(name.replace("running_var", "num_batches_tracked"));
    expect(await readTensor(state.get("block.bn2.num_batches_tracked")!)).toBe(seven);
    expect(state.get("block.bn1.num_batches_tracked")).toEqual(tensorOf("int64", [], BigInt64Array.of(0n)));
    expect(state.size).toBe(weights.size + 3);
  });

  it("metadata become entries that PyTorch's scripts know, and are read", async () => {
    const { preprocessing } = variants.resnet50;
    const metadata = { model: "resnet50", classes: '["cat","dog"]', preprocessing: JSON.stringify(preprocessing) };
    await writePyTorchCheckpoint(join(folder, "facts.pth"), { weights }, metadata);
    const bytes = await readFile(join(folder, "facts.pth"));
    bytes.fill(0x20, bytes.lastIndexOf("{")); // as if PyTorch had written it: without the zip's comment
    const { metadata: read } = await readWeights(bytes);
    expect(read).toMatchObject({ arch: "resnet50", classes: '["cat","dog"]' });
    expect(JSON.parse(read.preprocessing!)).toEqual(preprocessing);
  });

  it.each<[string, unknown, RegExp]>([
    ["a name twice", { ...sgd, groups: [...sgd.groups, ...sgd.groups] }, /"block\.conv1\.weight" is twice/],
    [
      "a name that is not there",
      { ...sgd, groups: [{ ...sgd.groups[0], names: ["x"] }] },
      /trains "x", which the weights/,
    ],
    [
      "momenta of a parameter in no group",
      { ...sgd, groups: [{ ...sgd.groups[0], names: names.slice(0, 3) }] },
      /momenta of "block\..*", which is in none of its groups/,
    ],
    [
      "momenta of another shape",
      { ...sgd, momenta: new Map([[names[0], { momentumBuffer: tensor([1], [1]) }]]) },
      /momentumBuffer of "block\.conv1\.weight" is 1, expected 8×6×3×3/,
    ],
    [
      "half a step",
      {
        ...adamw,
        momenta: new Map([[names[0], { step: 0.5, expAvg: like(names[0]!, 1), expAvgSq: like(names[0]!, 1) }]]),
      },
      /step: found 0\.5, expected a whole number/,
    ],
  ])("%s is refused", async (_, optimizer, message) => {
    const writing = writePyTorchCheckpoint(join(folder, "no.pth"), { weights, optimizer: optimizer as OptimizerState });
    await expect(writing).rejects.toThrow(FormatError);
    await expect(writing).rejects.toThrow(message);
  });
});
