import { type Graph, type ResNetSpec, resnet, UnsupportedError } from "@residual/core";
import { describe, expect, it } from "vitest";
import { readWeights } from "../read-weights.ts";
import { bytes, initializer, message, modelProto, tensorProto, whole } from "../testing/protobuf.ts";

const FLOAT = 1;
const UINT8 = 2;
const INT32 = 6;
const BOOL = 9;
const spec: ResNetSpec = { block: "basic", depths: [1], width: 4, classes: 5, stem: "cifar" };
const graphOf = (changes: Partial<ResNetSpec> = {}): Graph => resnet({ ...spec, ...changes }, { input: [1, 3, 8, 8] });

const node = (
  operator: string,
  inputs: readonly string[],
  outputs: string | readonly string[],
  ...more: Uint8Array[]
) =>
  message(
    1,
    ...inputs.map((input) => bytes(1, input)),
    ...[outputs].flat().map((output) => bytes(2, output)),
    bytes(4, operator),
    ...more,
  );
const int = (name: string, value: number) => message(5, bytes(1, name), whole(3, value));
const ints = (name: string, ...values: readonly number[]) =>
  message(5, bytes(1, name), ...values.map((value) => whole(8, value)));
const tensor = (name: string, ...shape: readonly number[]) => {
  const size = shape.reduce((product, axis) => product * axis, 1);
  return initializer(tensorProto(name, FLOAT, shape, bytes(9, new Uint8Array(4 * size))));
};
const value = (field: number, name: string, type: number) =>
  message(field, bytes(1, name), message(2, message(1, whole(1, type))));
const input = (name: string, type = FLOAT) => value(11, name, type);
const output = (name: string) => value(12, name, FLOAT);
const conv = (x: string, name: string, to: string) =>
  node("Conv", [x, `${name}.w`, `${name}.b`], to, ints("pads", 1, 1, 1, 1));
const head = (name: string, to: string) => node("Gemm", ["flat", `${name}.w`, `${name}.b`], to, int("transB", 1));

interface Parts {
  readonly inputs?: readonly Uint8Array[];
  readonly outputs?: readonly string[];
  /** Nodes between the image and the first convolution, whose input is `x`. */
  readonly before?: readonly Uint8Array[];
  /** Nodes between the first convolution, whose output is `c`, and its ReLU, whose input is `n`. */
  readonly norm?: readonly Uint8Array[];
  readonly last?: readonly Uint8Array[];
  /** Nodes after the last layer, whose output is `fc`. */
  readonly after?: readonly Uint8Array[];
}

/** A model of one block. Norms are folded into convolutions, except a given `norm`. */
function modelOf({ inputs = [input("image")], outputs = ["fc"], before, norm, last, after = [] }: Parts): Uint8Array {
  return modelProto(
    ...inputs,
    tensor("conv1.w", 4, 3, 3, 3),
    tensor("conv1.b", 4),
    tensor("a.w", 4, 4, 3, 3),
    tensor("a.b", 4),
    tensor("b.w", 4, 4, 3, 3),
    tensor("b.b", 4),
    tensor("fc.w", 5, 4),
    tensor("fc.b", 5),
    tensor("other.w", 5, 4),
    tensor("other.b", 5),
    tensor("square", 5, 5),
    tensor("scalar"),
    initializer(tensorProto("training", BOOL, [], bytes(9, Uint8Array.of(1)))),
    ...["scale", "shift", "mean", "variance"].map((name) => tensor(name, 4)),
    ...(before ?? [node("Identity", ["image"], "x")]),
    norm ? node("Conv", ["x", "conv1.w"], "c", ints("pads", 1, 1, 1, 1)) : conv("x", "conv1", "c"),
    ...(norm ?? [node("Identity", ["c"], "n")]),
    node("Relu", ["n"], "r"),
    conv("r", "a", "a"),
    node("Relu", ["a"], "ar"),
    conv("ar", "b", "b"),
    node("Add", ["b", "r"], "sum"),
    node("Relu", ["sum"], "features"),
    node("GlobalAveragePool", ["features"], "pooled"),
    node("Flatten", ["pooled"], "flat"),
    ...(last ?? [head("fc", "fc")]),
    ...after,
    ...outputs.map(output),
  );
}

const read = (parts: Parts, graph = graphOf()) => readWeights(modelOf(parts), { graph });
const normed = (outputs: readonly string[], ...more: Uint8Array[]) => [
  node("BatchNormalization", ["c", "scale", "shift", "mean", "variance"], outputs, ...more),
];

describe("a graph that computes a model is taken", () => {
  it.each<[what: string, parts: Parts]>([
    ["as it is", {}],
    ["with an input that nothing reads", { inputs: [input("image"), input("extra")] }],
    ["with initializers among the inputs", { inputs: [input("fc.w"), input("image"), input("fc.b")] }],
    ["with features among the outputs", { outputs: ["features", "flat", "fc"] }],
    ["with a softmax behind", { outputs: ["p"], after: [node("Softmax", ["fc"], "p", int("axis", 1))] }],
    ["with a softmax over the last axis", { outputs: ["p"], after: [node("Softmax", ["fc"], "p", int("axis", -1))] }],
    ["with a norm as it answers", { norm: normed(["n"], int("training_mode", 0)) }],
    ["with a weight that is cast between floats", { last: [node("Cast", ["fc.w"], "w", int("to", 11)), gemm("w")] }],
  ])("%s", async (_, parts) => {
    const { tensors, notes } = await read(parts);
    expect(tensors.get("fc.weight")!.shape).toEqual([5, 4]);
    expect(notes).toEqual([]);
  });
});

function gemm(weight: string): Uint8Array {
  return node("Gemm", ["flat", weight, "fc.b"], "fc", int("transB", 1));
}

describe("a graph that computes anything else is refused, with a model asked and without", () => {
  const two = [input("image"), input("extra")];
  it.each<[what: string, parts: Parts, problem: RegExp]>([
    [
      "a second input before the network",
      { inputs: two, before: [node("Mul", ["image", "extra"], "x")] },
      /found the inputs "image", "extra", expected one$/,
    ],
    [
      "a second input behind the network",
      { inputs: two, outputs: ["out"], after: [node("Mul", ["fc", "extra"], "out")] },
      /found the inputs "image", "extra", expected one$/,
    ],
    [
      "a weight that is an input",
      { inputs: [input("image"), input("gift")], last: [gemm("gift")] },
      /found the inputs "image", "gift", expected one$/,
    ],
    ["no input", { inputs: [] }, /found no input, expected one$/],
    [
      "an image of bytes",
      { inputs: [input("image", UINT8)], before: [node("Cast", ["image"], "x", int("to", FLOAT))] },
      /found the input "image" of uint8, expected float32$/,
    ],
    ...["Neg", "Relu", "Sigmoid"].map((operator): [string, Parts, RegExp] => [
      `${operator} behind the last layer`,
      { outputs: ["out"], after: [node(operator, ["fc"], "out")] },
      new RegExp(`found ${operator} "out" after Gemm "fc", expected the end$`),
    ]),
    [
      "a Transpose behind the last layer",
      { outputs: ["out"], after: [node("Transpose", ["fc"], "out", ints("perm", 1, 0))] },
      /found Transpose "out" after Gemm "fc"/,
    ],
    [
      "a factor behind the last layer",
      { outputs: ["out"], after: [node("Mul", ["fc", "scalar"], "out")] },
      /found Mul "out" after Gemm "fc"/,
    ],
    [
      "a second bias",
      { outputs: ["out"], after: [node("Add", ["fc", "other.b"], "out")] },
      /found Add "out" after Gemm "fc"/,
    ],
    [
      "a second last layer",
      { outputs: ["out"], after: [node("MatMul", ["fc", "square"], "out")] },
      /found MatMul "out" after Gemm "fc"/,
    ],
    [
      "a softmax over the batch",
      { outputs: ["p"], after: [node("Softmax", ["fc"], "p", int("axis", 0))] },
      /found Softmax "p" after Gemm "fc"/,
    ],
    [
      "an output before that is not the model's",
      { outputs: ["neg", "fc"], after: [node("Neg", ["flat"], "neg")] },
      /found the outputs "neg", "fc", expected "fc" to be the first$/,
    ],
    [
      "no output of the last layer",
      { outputs: ["features"] },
      /found the outputs "features", expected that of Gemm "fc"$/,
    ],
    [
      "a norm in training",
      { norm: normed(["n"], int("training_mode", 1)) },
      /found BatchNormalization "n" after Conv "c", expected relu for relu$/,
    ],
    [
      "a norm in training, as it was written before",
      { norm: normed(["n", "m", "v", "sm", "sv"]) },
      /found BatchNormalization "n" after Conv "c"/,
    ],
    [
      "a weight that is cast to whole numbers",
      { last: [node("Cast", ["fc.w"], "i", int("to", INT32)), node("Cast", ["i"], "w", int("to", FLOAT)), gemm("w")] },
      /found Gemm "fc" after Flatten "flat", expected linear for fc$/,
    ],
    [
      "a Dropout in training",
      {
        last: [
          node("Dropout", ["flat", "", "training"], "dropped"),
          node("Gemm", ["dropped", "fc.w", "fc.b"], "fc", int("transB", 1)),
        ],
      },
      /found Dropout "dropped" after Flatten "flat", expected linear for fc$/,
    ],
  ])("%s", async (_, parts, problem) => {
    await expect(read(parts)).rejects.toThrow(UnsupportedError);
    await expect(read(parts)).rejects.toThrow(problem);
    expect((await readWeights(modelOf(parts))).graph!.mismatch).toBeDefined();
  });

  it("features are those of a network that goes on to its classes, and of no other", async () => {
    const headless = graphOf({ classes: 0 });
    expect((await read({}, headless)).tensors.has("conv1.weight")).toBe(true);
    const other = { outputs: ["out"], last: [node("Neg", ["flat"], "out")] };
    await expect(read(other, headless)).rejects.toThrow(
      /found GlobalAveragePool "pooled" after Relu "features", expected the end$/,
    );
    const pooled = { outputs: ["pooled"] };
    await expect(read(pooled, headless)).rejects.toThrow(/expected the end$/);
  });
});

describe("of two heads", () => {
  const last = [head("fc", "fc"), head("other", "other")];

  it.each([
    [["fc", "other"], "fc.w"],
    [["other", "fc"], "other.w"],
    [["features", "other", "fc"], "other.w"],
  ])("of the outputs %j the first is taken, and the other told", async (outputs, weight) => {
    const numbered = modelOf({ last, outputs });
    const { tensors, notes, stored } = await readWeights(numbered, { graph: graphOf() });
    expect(tensors.get("fc.weight")).toBe(stored!.tensors.get(weight));
    const left = weight === "fc.w" ? "other" : "fc";
    expect(notes).toEqual([expect.stringMatching(new RegExp(`^left out: output "${left}" of `))]);
  });
});
