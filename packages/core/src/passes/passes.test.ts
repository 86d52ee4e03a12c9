import { describe, expect, it } from "vitest";
import { WeightsError } from "../ir/errors.ts";
import { constantsOf, type Graph, graph, nodesOf, parametersOf } from "../ir/graph.ts";
import { print } from "../ir/print.ts";
import { type LazySource, type NamedSource, readTensor } from "../ir/source.ts";
import { type Tensor, tensor, tensorOf } from "../ir/tensor.ts";
import { constant, input, named, parameter, type Value, variable } from "../ir/value.ts";
import { resnet } from "../models/resnet.ts";
import { variants } from "../models/variants.ts";
import { add, batchNorm, conv2d, relu, sigmoid } from "../ops/index.ts";
import { reference } from "../reference.ts";
import { bind } from "./bind.ts";
import { foldBatchNorm } from "./fold-batch-norm.ts";
import { foldConstants } from "./fold-constants.ts";
import { optimize } from "./index.ts";
import { select } from "./select.ts";

/** A residual block of one channel: relu(bn1(conv1(image)) + image). */
function tiny(): Graph<"image", "y"> {
  const image = input("image", ["N", 1, 2, 2]);
  const conv = named("conv1", conv2d({ x: image, weight: parameter("conv1.weight", [1, 1, 1, 1]) }));
  const of = (field: string) => parameter(`bn1.${field}`, [1]);
  const parts = { scale: of("weight"), shift: of("bias"), mean: of("running_mean"), variance: of("running_var") };
  const norm = named("bn1", batchNorm({ x: conv, ...parts }, { epsilon: 0 }));
  const y = named("relu", relu({ x: named("add", add({ a: norm, b: image })) }));
  return graph({ name: "tiny", inputs: { image }, outputs: { y } });
}

const tinyWeights: ReadonlyMap<string, Tensor> = new Map([
  ["conv1.weight", tensor([1, 1, 1, 1], [3])],
  ["bn1.weight", tensor([1], [2])],
  ["bn1.bias", tensor([1], [-1])],
  ["bn1.running_mean", tensor([1], [5])],
  ["bn1.running_var", tensor([1], [4])],
]);

describe("optimize", () => {
  it("prints as a block before and one fused convolution after", () => {
    const bound = bind(tiny(), { tensors: tinyWeights });
    expect(print(bound)).toBe(
      [
        "graph tiny (image: N×1×2×2) -> (y: N×1×2×2 = relu)",
        "  conv1 : N×1×2×2 = conv2d(x: image, weight: conv1.weight = 1×1×1×1) {stride 1, padding 0, dilation 1, groups 1}",
        "  bn1 : N×1×2×2 = batchNorm(x: conv1, scale: bn1.weight = 1, shift: bn1.bias = 1, mean: bn1.running_mean = 1, variance: bn1.running_var = 1) {epsilon 0}",
        "  add : N×1×2×2 = add(a: bn1, b: image)",
        "  relu : N×1×2×2 = relu(x: add)",
      ].join("\n"),
    );
    expect(print(optimize(bound))).toBe(
      [
        "graph tiny (image: N×1×2×2) -> (y: N×1×2×2 = relu)",
        "  relu : N×1×2×2 = fusedConv2d(x: image, weight: conv1.folded.weight = 1×1×1×1, bias: conv1.folded.bias = 1, residual: image) {stride 1, padding 0, dilation 1, groups 1, relu true}",
      ].join("\n"),
    );
  });

  it("answers what the block does by hand", async () => {
    // 3x, minus 5, over 2, times 2, minus 1, plus x: 4x − 6
    const executable = await reference.compile(optimize(bind(tiny(), { tensors: tinyWeights })));
    const { y } = await executable.run({ image: tensor([1, 1, 2, 2], [0, 1, 2, 10]) });
    expect([...y.data]).toEqual([0, 0, 2, 34]);
  });

  it("reads no weights of a convolution before they are asked for", async () => {
    let reads = 0;
    const weight: LazySource = {
      dtype: "float32",
      shape: [1, 1, 1, 1],
      firstNonFinite: -1,
      read: async (into) => {
        reads++;
        into[0] = 3;
      },
    };
    const lean = optimize(
      bind(tiny(), { tensors: new Map<string, NamedSource>([...tinyWeights, ["conv1.weight", weight]]) }),
    );
    const folded = constantsOf(lean).find(({ name }) => name === "conv1.folded.weight")!;
    expect(reads).toBe(0);
    // 3 · 2 / √4
    expect(await readTensor(folded.source)).toEqual(tensorOf("float64", [1, 1, 1, 1], Float64Array.of(3)));
    expect(reads).toBe(1);
  });

  it("leaves a norm whose statistics are variables", () => {
    const shift = variable("bn1.bias", tensor([1], [1]));
    const open = tiny();
    const norm = nodesOf(open).find(({ op }) => op === "batchNorm")!;
    const x = batchNorm({ ...(norm.inputs as { x: Value; scale: Value; mean: Value; variance: Value }), shift });
    const bound = bind(graph({ name: "g", inputs: open.inputs, outputs: { x } }), {
      tensors: new Map([...tinyWeights].filter(([name]) => name !== "bn1.bias")),
    });
    expect(foldBatchNorm(bound)).toBe(bound);
  });

  it("leaves a convolution that something else reads", () => {
    const bound = bind(tiny(), { tensors: tinyWeights });
    const both = select(bound, ["y", "conv1"]);
    expect(foldBatchNorm(both)).toBe(both);
  });

  it("folds all 53 norms of resnet50 and fuses all 16 sums", () => {
    const open = resnet(variants.resnet50, { input: [1, 3, 32, 32] });
    const printed = print(optimize(bind(open, { tensors: ones(open) })));
    expect(printed.match(/ = fusedConv2d\(/g)).toHaveLength(49);
    expect(printed.match(/residual: /g)).toHaveLength(16);
    expect(printed.match(/ = conv2d\(/g)).toHaveLength(4);
    expect(printed).not.toMatch(/batchNorm|= relu|= add/);
  });
});

it("foldConstants computes a node of constants", () => {
  const image = input("image", ["N", 1, 1, 1]);
  const half = sigmoid({ x: constant("zero", tensor([1, 1, 1, 1], [0])) });
  const lean = foldConstants(graph({ name: "g", inputs: { image }, outputs: { image, half } }));
  expect(lean.outputs.half).toMatchObject({ kind: "constant", source: { data: Float64Array.of(0.5) } });
});

describe("select", () => {
  const model = resnet(variants.resnet50);

  it.each([
    ["logits", "N×1000"],
    ["layer3", "N×1024×14×14"],
    ["layer4.2", "N×2048×7×7"],
    ["layer4.2.relu", "N×512×7×7"],
    ["layer4.2.relu_2", "N×2048×7×7"],
    ["stem", "N×64×56×56"],
    ["avgpool", "N×2048×1×1"],
  ])("finds %s", (name, shape) => {
    expect(select(model, [name]).outputs[name]?.shape.join("×")).toBe(shape);
  });

  it("S1 names what there is", () => {
    expect(() => select(model, ["constructor" as string])).toThrow(/select\.S1: resnet50 has no value constructor/);
    expect(() => select(model, ["layer5" as string])).toThrow(
      /select\.S1: resnet50 has no value layer5; .*stem, layer1.*logits/,
    );
  });

  it("keeps a graph that has just these outputs", () => {
    expect(select(model, ["logits"])).toBe(model);
  });
});

describe("bind", () => {
  const problems = (change: (tensors: Map<string, NamedSource>) => void): string => {
    const tensors = new Map<string, NamedSource>(tinyWeights);
    change(tensors);
    return messageOf(() => bind(tiny(), { tensors }));
  };

  it.each<[string, (tensors: Map<string, NamedSource>) => void, string]>([
    ["missing", (t) => t.delete("bn1.bias"), "bn1.bias is missing: expected 1"],
    ["extra", (t) => t.set("fc.weight", tensor([2], [1, 2])), "fc.weight is extra: found 2"],
    ["misshapen", (t) => t.set("bn1.bias", tensor([2], [1, 2])), "bn1.bias is misshapen: found 2, expected 1"],
    ["NaN", (t) => t.set("bn1.bias", tensor([1], [Number.NaN])), "bn1.bias is not finite: found NaN at index 0"],
    [
      "infinite",
      (t) => t.set("bn1.bias", tensor([1], [-Infinity])),
      "bn1.bias is not finite: found -Infinity at index 0",
    ],
    [
      "of integers",
      (t) => t.set("bn1.bias", tensorOf("uint8", [1], Uint8Array.of(1))),
      "bn1.bias is uint8, expected float32",
    ],
  ])("refuses a parameter that is %s", (_, change, message) => {
    expect(problems(change)).toContain(message);
  });

  it("refuses a lazy source in which NaN or infinity was found", () => {
    const source: LazySource = { dtype: "float32", shape: [1], firstNonFinite: 0, read: async () => {} };
    const message = "bn1.bias is not finite: found NaN or infinity at index 0";
    expect(problems((tensors) => tensors.set("bn1.bias", source))).toContain(message);
  });

  it("is short where nothing fits", () => {
    const model = resnet(variants.resnet152);
    const tensors = new Map(Array.from({ length: 200_000 }, (_, i) => [`stray.${i}`, tensor([1], [i])]));
    const message = messageOf(() => bind(model, { tensors }));
    const { length } = parametersOf(model);
    expect(message).toContain(`${200_000 + length} problems`);
    expect(message.split("\n")).toHaveLength(12); // a heading, ten problems, and how many more
    expect(message).toContain(`… and ${(200_000 + length - 10).toLocaleString("en-US")} more`);
  });

  it("lists every problem at once", () => {
    const message = problems((tensors) => tensors.clear());
    expect(message).toContain("5 problems");
    for (const { name } of parametersOf(tiny())) expect(message).toContain(`${name} is missing`);
  });

  it("finds a NaN wherever it stands", () => {
    const open = resnet(variants.cifar_resnet20);
    for (const index of [0, 1, 2, 3, 638, 639]) {
      const weight = tensor([10, 64], new Float32Array(640).fill(1));
      weight.data[index] = Number.NaN;
      expect(() => bind(open, { tensors: new Map([...ones(open), ["fc.weight", weight]]) })).toThrow(
        `NaN at index ${index}`,
      );
    }
  });

  it("passes over num_batches_tracked", () => {
    expect(problems((t) => t.set("bn1.num_batches_tracked", tensorOf("int64", [], BigInt64Array.of(7n))))).toBe("");
  });
});

function messageOf(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    if (error instanceof WeightsError) return error.message;
    throw error;
  }
  return "";
}

function ones(graph: Graph): ReadonlyMap<string, Tensor> {
  return new Map(
    parametersOf(graph).map(({ name, shape }) => {
      return [name, tensor(shape, new Float32Array(shape.reduce((a, b) => a * b, 1)).fill(1))];
    }),
  );
}
