import {
  bind,
  fixtureWeights,
  type NamedSource,
  type ResNetSpec,
  resnet,
  tensor,
  tensorOf,
  variants,
  WeightsError,
} from "@residual/core";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { readWeights } from "./read-weights.ts";
import { toTorchvision } from "./schemes.ts";
import { sharedPath } from "./testing/shared.ts";
import { Weights } from "./weights.ts";

/** One block per stage: few parameters, but all kinds of names. */
const small = (row: ResNetSpec): ResNetSpec => ({ ...row, depths: row.depths.map(() => 1), width: 8, classes: 7 });
const graph = resnet(small(variants.resnet18), { name: "small" });
const deeper = resnet({ ...small(variants.resnet18), depths: [2, 1, 1, 1] });
const own = [...fixtureWeights(graph, "v1").tensors] as const;
const average = [...fixtureWeights(graph, "v2").tensors] as const;

type Named = readonly (readonly [string, NamedSource])[];

const under = (prefix: string, tensors: Named = own): Named =>
  tensors.map(([name, source]) => [prefix + name, source] as const);

/** Renames the last layer. "" removes it. */
const withHead = (head: string, tensors: Named = own): Named =>
  tensors.flatMap(([name, source]): Named => {
    const isHead = /(^|\.)fc\.(weight|bias)$/.test(name);
    return isHead ? (head === "" ? [] : [[name.replace(/fc(?=\.\w+$)/, head), source]]) : [[name, source]];
  });

const weights = (tensors: Named): Weights => new Weights(new Map(tensors), { a: "b" });

/** Expects the sources of `own`, under the names of their parameters. */
function expectOwn({ tensors, metadata }: Weights): void {
  expect([...tensors.keys()].toSorted()).toEqual(own.map(([name]) => name).toSorted());
  for (const [name, source] of own) expect(tensors.get(name), name).toBe(source);
  expect(metadata).toEqual({ a: "b" });
}

const counter = tensorOf("int64", [], BigInt64Array.of(3n));
const strays: Named = [
  ["n_averaged", counter],
  ["step", tensorOf("int64", [1], BigInt64Array.of(3n))],
  ["lr", tensor([], [0.1])],
  ["epoch", tensor([1], [3])],
  ["module.swa.n_averaged", tensor([1], [3])],
  ["optimizer.global_step", tensor([], [3])],
  ["module.layer1.0.bn1.num_batches_tracked", counter],
  ["bn1.num_batches_tracked", counter],
  ["queue", tensor([0, 128], [])],
  ["initted", tensorOf("uint8", [1], Uint8Array.of(1))], // a flag of a trainer
];

describe("one prefix", () => {
  const part = fc.constantFrom(
    ..."module model _orig_mod backbone encoder net resnet state_dict ema model_ema learner student".split(" "),
  );
  const prefix = fc.array(part, { maxLength: 5 }).map((parts) => parts.map((each) => `${each}.`).join(""));
  const head = fc.constantFrom(..."fc linear head classifier head.fc fc.1 last_linear classifier.1".split(" "));

  it("of any parts, with a last layer of any usual name, strays between, in any order", () => {
    const given = fc.record({ prefix, head, strays: fc.subarray([...strays]), order: fc.integer() });
    fc.assert(
      fc.property(given, ({ prefix, head, strays, order }) => {
        const tensors = [...under(prefix, withHead(head)), ...strays];
        const shuffled = tensors.toSorted(([a], [b]) => Math.sin(order + a.length) - Math.sin(order + b.length));
        const mapped = toTorchvision(weights(shuffled), graph);
        expectOwn(mapped);
        expect(mapped.notes).toEqual([]);
      }),
    );
  });

  it("with the last layer beside it, or further out", () => {
    for (const [body, head] of [
      ["backbone.", "fc"],
      ["backbone.", "head"],
      ["module.backbone.", "module.classifier"],
      ["module.model.encoder.", "module.head.fc"],
      ["model.resnet.", "classifier.1"],
    ] as const) {
      const tensors = under(body, own.slice(0, -2)).concat(
        own.slice(-2).map(([name, source]) => [name.replace("fc", head), source]),
      );
      expectOwn(toTorchvision(weights(tensors), graph));
    }
  });

  it("with what wraps single modules", () => {
    const wrapped = own.map(
      ([name, source]) => [name.replace(/^(layer1\.0|conv1)\./, "$1._orig_mod."), source] as const,
    );
    expectOwn(toTorchvision(weights(under("_fsdp_wrapped_module.", wrapped)), graph));
    const checkpointed = own.map(
      ([name, source]) => [name.replace("layer2.", "layer2._checkpoint_wrapped_module."), source] as const,
    );
    expectOwn(toTorchvision(weights(checkpointed), graph));
  });

  it("leaves out what lies outside, and says so", () => {
    const others: Named = [1, 2, 3, 4].map((i) => [`decoder.${i}.weight`, tensor([1], [i])]);
    const mapped = toTorchvision(weights([...others, ...under("encoder.")]), graph);
    expectOwn(mapped);
    expect(mapped.notes).toEqual([
      'the names under "encoder." are taken; left out: 4 other tensors, "decoder.1.weight", "decoder.2.weight", "decoder.3.weight", …',
    ]);
  });

  it("keeps what the graph does not have, for bind to refuse, under a prefix and without", () => {
    const deep = [...fixtureWeights(deeper, "v1").tensors];
    for (const prefix of ["", "module."]) {
      const mapped = toTorchvision(weights(under(prefix, deep)), graph);
      expect(() => bind(graph, mapped)).toThrow(/layer1\.1\.conv1\.weight is extra/);
    }
  });

  it("keeps a single number that a module has learnt, for bind to refuse", () => {
    for (const prefix of ["", "module."])
      for (const gain of [tensor([], [0.1]), tensor([1], [0.1])]) {
        const mapped = toTorchvision(weights(under(prefix, [...own, ["layer1.0.alpha", gain]])), graph);
        expect(() => bind(graph, mapped)).toThrow(/layer1\.0\.alpha is extra/);
      }
  });

  it("is removed where a few parameters are missing, so that those alone are listed", () => {
    const mapped = toTorchvision(weights(under("module.", own.slice(1))), graph);
    expect(() => bind(graph, mapped)).toThrow(/^1 problem between .*\n {2}conv1\.weight is missing/);
  });

  it("is none where a few names are alike: they stay as they are", () => {
    const vit: Named = [
      ["blocks.0.conv1.weight", tensor([1], [1])],
      ["norm.weight", tensor([1], [1])],
    ];
    expect([...toTorchvision(weights(vit), graph).tensors]).toEqual(vit);
    expect(toTorchvision(weights([]), graph).tensors.size).toBe(0);
  });

  it("that the graph's own names have is no prefix", () => {
    const block = resnet(variants.pytorch_unit);
    const tensors = [...fixtureWeights(block, "v1").tensors];
    expect([...toTorchvision(weights(tensors), block).tensors]).toEqual(tensors);
    expect([...toTorchvision(weights(under("block.", tensors)), block).tensors.keys()]).toEqual(
      tensors.map(([name]) => name),
    );
  });
});

describe("more than one set of weights", () => {
  it.each([
    ["", "ema."],
    ["model.", "ema."],
    ["model.module.", "model_ema.module."],
    ["state_dict.", "state_dict_ema."],
    ["online_model.", "ema_model."],
    ["net.", "net.swa."],
    ["", "teacher."],
  ])("%j and %j: the first, and a note", (first, second) => {
    for (const tensors of [
      [under(first), under(second, average)],
      [under(second, average), under(first)],
    ]) {
      const mapped = toTorchvision(weights(tensors.flat()), graph);
      expectOwn(mapped);
      expect(mapped.notes).toHaveLength(1);
      expect(mapped.notes[0]).toMatch(
        new RegExp(`left out: ${average.length} other tensors, "${second.replace(".", "\\.")}`),
      );
    }
  });

  it("refuses two that nothing tells apart", () => {
    const twice = weights([...under("student."), ...under("teacher.", average)]);
    expect(() => toTorchvision(twice, graph)).toThrow(WeightsError);
    expect(() => toTorchvision(twice, graph)).toThrow(
      'these weights fit small twice, under the names "student." and "teacher."; choose one',
    );
  });
});

describe("the last layer", () => {
  it("is not guessed among two", () => {
    const two = weights([
      ...under("backbone."),
      ...own.slice(-2).map(([name, source]) => [name.replace("fc", "head"), source] as const),
    ]);
    expect(() => toTorchvision(two, graph)).toThrow(
      'the body of these weights is that of small, and their head has 2 layers, "backbone.fc", "head", where',
    );
    const perceptron = withHead("fc.3").concat([
      ["fc.0.weight", tensor([1, 1], [1])],
      ["fc.0.bias", tensor([1], [1])],
    ]);
    expect(() => toTorchvision(weights(perceptron), graph)).toThrow(WeightsError);
  });

  it("is not made of a head that does more than a layer", () => {
    for (const prefix of ["", "backbone."]) {
      const body = under(prefix, withHead(""));
      const head: Named = [
        ...own.slice(-2).map(([name, source]) => [name.replace("fc", "head.0"), source] as const),
        ["head.1.weight", tensor([7], [1, 2, 3, 4, 5, 6, 7])],
      ];
      const mapped = toTorchvision(weights([...body, ...head]), graph);
      expect(() => bind(graph, mapped)).toThrow(/fc\.weight is missing/);
    }
  });

  it("of another number of classes is mapped too", () => {
    const three: Named = [
      [
        "module.linear.weight",
        tensor(
          [3, 64],
          Array.from({ length: 192 }, () => 1),
        ),
      ],
      ["module.linear.bias", tensor([3], [1, 2, 3])],
    ];
    const { tensors } = toTorchvision(weights([...under("module.", withHead("")), ...three]), graph);
    expect(tensors.get("fc.weight")?.shape).toEqual([3, 64]);
  });
});

it("takes linear time over hostile names, and short messages", () => {
  const wrapped: Named = Array.from({ length: 300 }, (_, i) => [
    `${"module.".repeat(3000)}${i}.conv1.weight`,
    tensor([1], [1]),
  ]);
  const one: Named = [[`${"module.".repeat(400_000)}conv1.weight`, tensor([1], [1])]];
  for (const hostile of [wrapped, one])
    expect(toTorchvision(weights(hostile), graph).tensors.size).toBe(hostile.length);
  const twice = [...under(`${"a".repeat(1_000_000)}.`), ...under(`${"b".repeat(1_000_000)}.`)];
  expect(() => toTorchvision(weights(twice), graph)).toThrow(/^.{0,500}$/);
});

const akamaster = sharedPath("data/weights/cifar-resnet/resnet20-12fca82f.safetensors");
it.skipIf(!akamaster)("maps akamaster's linear onto fc", async () => {
  const file = await readWeights(akamaster!);
  const mapped = toTorchvision(file, resnet(variants.cifar_resnet20));
  expect(mapped.tensors.get("fc.weight")).toBe(file.tensors.get("linear.weight"));
  expect(mapped.tensors.size).toBe(file.tensors.size);
});

describe("layers between the body and a last layer outside of its prefix", () => {
  const body = under("base.", withHead(""));
  const features = 64; // the small network's features: 8 channels, doubled three times
  const head: Named = [["classifier.weight", tensor([7, features], new Float32Array(7 * features))]];
  const norm = (name: string): Named =>
    ["weight", "bias", "running_mean", "running_var"].map((part) => [
      `${name}.${part}`,
      tensor([features], new Float32Array(features)),
    ]);
  const linear: Named = [["proj.weight", tensor([features, features], new Float32Array(features ** 2))]];

  it.each<[string, Named]>([
    ["a norm", norm("bottleneck")],
    ["a linear layer", linear],
  ])("%s is an error that names it, since the network that was trained computes with it", (_, between) => {
    const found = weights([...body, ...between, ...head]);
    expect(() => toTorchvision(found, graph)).toThrow(WeightsError);
    expect(() => toTorchvision(found, graph)).toThrow(/before the last layer "classifier" stands "(bottleneck|proj)"/);
  });

  it("others are left out, with a note", () => {
    const other: Named = [["decoder.weight", tensor([5, 3], new Float32Array(15))]];
    expect(toTorchvision(weights([...body, ...other, ...head]), graph).notes).toEqual([
      expect.stringContaining("decoder.weight"),
    ]);
  });
});
