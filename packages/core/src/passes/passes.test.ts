import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { fixtureInput, fixtureWeights } from "../fixture.ts";
import { WeightsError } from "../ir/errors.ts";
import { constantsOf, type Graph, graph, nodesOf, parametersOf } from "../ir/graph.ts";
import { print } from "../ir/print.ts";
import { isFiniteInFloat32, type LazySource, type NamedSource, readTensor } from "../ir/source.ts";
import { sizeOf, type Tensor, tensor, tensorOf, toFloat64 } from "../ir/tensor.ts";
import { constant, input, named, parameter, type Value, variable } from "../ir/value.ts";
import { resnet } from "../models/resnet.ts";
import { modelNames, variants } from "../models/variants.ts";
import { add, batchNorm, conv2d, flatten, globalAveragePool, linear, relu, sigmoid } from "../ops/index.ts";
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

  describe("a norm whose products with a convolution are beyond float32", () => {
    // 1e30 · 1e25 · 1e10 overflows in the weight, 1e30 · 1e-25 · 1e10 does not in the answers
    const large = (weight: NamedSource) =>
      bind(tiny(), {
        tensors: new Map<string, NamedSource>([
          ["conv1.weight", weight],
          ["bn1.weight", tensor([1], [1e10])],
          ["bn1.bias", tensor([1], [0])],
          ["bn1.running_mean", tensor([1], [0])],
          ["bn1.running_var", tensor([1], [1])],
        ]),
      });
    const image = tensor([1, 1, 2, 2], [1e-25, 2e-25, 0, 0]);

    it("stays where the weight is in memory", async () => {
      const bound = large(tensor([1, 1, 1, 1], [1e30]));
      expect(foldBatchNorm(bound)).toBe(bound);
      const { y } = await (await reference.compile(optimize(bound))).run({ image });
      const expected = [1e15, 2e15, 0, 0];
      for (const [i, value] of y.data.entries()) expect(value / 1e15).toBeCloseTo(expected[i]! / 1e15, 6);
    });

    it("stays where the offset overflows", () => {
      const tensors = new Map([...tinyWeights, ["bn1.running_mean", tensor([1], [3e38])]] as const);
      const bound = bind(tiny(), { tensors: new Map([...tensors, ["bn1.weight", tensor([1], [4])]]) });
      expect(foldBatchNorm(bound)).toBe(bound);
    });

    it("is never folded to what float32 does not hold", async () => {
      const float = fc.float({ noNaN: true, noDefaultInfinity: true });
      const positive = fc.float({ min: Math.fround(1e-30), noNaN: true, noDefaultInfinity: true });
      await fc.assert(
        fc.asyncProperty(fc.array(float, { minLength: 4, maxLength: 4 }), positive, async (numbers, variance) => {
          const [weight, scale, shift, mean] = numbers as [number, number, number, number];
          fc.pre(isFiniteInFloat32(scale / Math.sqrt(variance)));
          const tensors = new Map([
            ["conv1.weight", tensor([1, 1, 1, 1], [weight])],
            ["bn1.weight", tensor([1], [scale])],
            ["bn1.bias", tensor([1], [shift])],
            ["bn1.running_mean", tensor([1], [mean])],
            ["bn1.running_var", tensor([1], [variance])],
          ]);
          for (const { source } of constantsOf(optimize(bind(tiny(), { tensors })))) {
            const { data } = await readTensor(source);
            expect(data.every(isFiniteInFloat32)).toBe(true);
          }
        }),
      );
    });

    it("is refused where the weight is in a file, when it is read", async () => {
      const read: LazySource["read"] = async (into) => into.set([1e30]);
      const lean = optimize(large({ dtype: "float32", shape: [1, 1, 1, 1], firstNonFinite: -1, read }));
      const { source } = constantsOf(lean).find(({ name }) => name === "conv1.folded.weight")!;
      await expect(readTensor(source)).rejects.toThrow(WeightsError);
      await expect(readTensor(source)).rejects.toThrow("conv1.weight times the gain of its norm is beyond float32");
    });
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

function sourceOf(graph: Graph, name: string) {
  return constantsOf(graph).find((each) => each.name === name)!.source;
}

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
    expect(() => select(model, ["constructor" as string])).toThrow(
      /^resnet50 has no value constructor; .* \(select\.S1\)$/,
    );
  });

  it.each([
    ["layer5", "layer1, layer2, layer3, layer4, "],
    ["Stem", "stem, "],
    ["avg_pool", "avgpool, "],
    ["lgits", "logits, "],
    ["layer4.2.rellu", "layer4.2.relu, layer1.2.relu, "],
  ])("S1 names stages, or values, the nearest to %s first", (name, nearest) => {
    const start = `resnet50 has no value ${name}; nearest are ${nearest}`;
    expect(() => select(model, [name])).toThrow(start);
  });

  it.each(["cifar_resnet20", "cifar_preact20_proj", "keras_tutorial_resnet"] as const)(
    "gives class activation maps of %s whose means are the logits without their bias",
    async (name) => {
      const open = resnet(variants[name], { input: [2, 3, 32, 40] });
      const bound = bind(open, fixtureWeights(open, "v1"));
      await using executable = await reference.compile(select(bound, ["logits", "cam"]));
      const { logits, cam } = await executable.run({ image: fixtureInput("v1", [2, 3, 32, 40]) });
      const bias = toFloat64(await readTensor(sourceOf(bound, "fc.bias"))).data;
      const [classes, pixels] = [bias.length, sizeOf(cam.shape.slice(2))];
      expect(cam.shape.slice(0, 2)).toEqual([2, classes]);
      for (const [i, logit] of logits.data.entries()) {
        const mean = cam.data.subarray(i * pixels, (i + 1) * pixels).reduce((sum, value) => sum + value, 0) / pixels;
        expect(mean + bias[i % classes]!).toBeCloseTo(logit, 10);
      }
    },
  );

  it("finds the features and the classifier of every model that has classes", () => {
    for (const name of modelNames) {
      const open = resnet(variants[name]) as Graph;
      if ("logits" in open.outputs)
        expect(() => select(open, ["cam"]), name).toThrow(/\.weight of .* is open.* \(cam\.M2\)$/);
    }
  });

  it("gives the maps of a head whose weight is in a file, and reads none of it", async () => {
    const features = input("image", [1, 2, 1, 2]);
    const source: LazySource = {
      dtype: "float32",
      shape: [3, 2],
      firstNonFinite: -1,
      read: async (into, { first, end }) => into.set([1, 2, 3, 4, 5, 6].slice(2 * first, 2 * end)),
    };
    const logits = linear({ x: flatten({ x: globalAveragePool({ x: features }) }), weight: constant("w", source) });
    const net = graph({ name: "head", inputs: { image: features }, outputs: { logits } });
    await using executable = await reference.compile(select(net, ["cam"]));
    const { cam } = await executable.run({ image: tensor([1, 2, 1, 2], [1, 10, 100, 1000]) });
    expect(cam).toEqual(tensorOf("float64", [1, 3, 1, 2], Float64Array.of(201, 2010, 403, 4030, 605, 6050)));
  });

  it("M1 refuses a network that ends in another way, and M2 weights that are open", () => {
    expect(() => select(resnet(variants.paddle_unit), ["cam" as string])).toThrow(/^paddle_unit ends .*\(cam\.M1\)$/);
    expect(() => select(model, ["cam"])).toThrow(
      /^fc\.weight of resnet50 is open; bind\(graph, weights\) first, then select \(cam\.M2\)$/,
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

  it.each([
    [3.5e38, true],
    [-1e300, true],
    [2 ** 128 - 2 ** 103, true], // rounds up to infinity
    [3.4028235677973362e38, false], // rounds down to the largest
    [1e-300, false],
  ])("%f as float64 is refused: %s", (value, isRefused) => {
    const message = problems((t) => t.set("bn1.bias", tensorOf("float64", [1], Float64Array.of(value))));
    expect(message).toContain(isRefused ? `bn1.bias is not finite in float32: found ${value} at index 0` : "");
    expect(message === "").toBe(!isRefused);
  });

  it.each([
    [[1, 0.5, -0.25, 2], 1e-5, 2],
    [[1, 1, 1, -1e-5], 1e-5, 3],
    [[1, -1e-6, 1, 0], 1e-5, undefined], // PyTorch too takes the root of what is above 0
    [[1, 0, 1, 1], 0, 1],
    [[1, 1e-300, 1, 1], 0, 1], // 0 in float32
  ])("variances %j with epsilon %f: the one at %s is refused", (variances, epsilon, index) => {
    const of = (field: string) => parameter(`bn.${field}`, [4]);
    const x = input("x", ["N", 4, 1, 1]);
    const parts = { scale: of("gamma"), shift: of("beta"), mean: of("moving_mean"), variance: of("moving_variance") };
    const y = batchNorm({ x, ...parts }, { epsilon });
    const open = graph({ name: "g", inputs: { x }, outputs: { y, relu: relu({ x: y }) } });
    const tensors = new Map<string, NamedSource>(ones(open));
    const data = Float64Array.from(variances);
    tensors.set("bn.moving_variance", tensorOf("float64", [4], data));
    const found = messageOf(() => bind(open, { tensors }));
    if (index === undefined) return expect(found).toBe("");
    expect(found).toContain(`g: bn.moving_variance is not a variance: found ${variances[index]} at index ${index}`);
  });

  it("refuses a lazy variance when it is read", async () => {
    const source: LazySource = {
      dtype: "float32",
      shape: [1],
      firstNonFinite: -1,
      read: async (into) => into.set([-4]),
    };
    const tensors = new Map<string, NamedSource>([...tinyWeights, ["bn1.running_var", source]]);
    await using executable = await reference.compile(bind(tiny(), { tensors }));
    const running = executable.run({ image: tensor([1, 1, 2, 2], [0, 0, 0, 0]) });
    await expect(running).rejects.toThrow(WeightsError);
    await expect(running).rejects.toThrow("bn1.running_var is not a variance: found -4 at index 0");
  });

  it("refuses a scale that is beyond float32 over its deviation", () => {
    const message = problems((t) => {
      t.set("bn1.weight", tensor([1], [1e38]));
      t.set("bn1.running_var", tensor([1], [1e-4]));
    });
    expect(message).toMatch(
      /bn1\.weight is too large: found .*e\+37 at index 0, and .*e\+37 \/ √\(.* \+ 0\) is beyond float32/,
    );
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
