import {
  constant,
  type Graph,
  graph,
  input,
  ops,
  parameter,
  reference,
  type Tensor,
  tensor,
  UnsupportedError,
  type Value,
} from "@residual/core";
import { describe, expect, it } from "vitest";
import { toOnnx } from "./export.ts";
import { lowerToOnnx } from "./lower.ts";
import type { Model } from "./model-proto.ts";
import { readModel } from "./model-proto.ts";
import { formatModel } from "./print.ts";
import { tiny } from "./testing/graphs.ts";
import { runModel } from "./testing/onnxruntime.ts";
import { fill } from "./testing/values.ts";

const x = input("x", ["N", 2, 5, 5]);
const sample = fill([2, 2, 5, 5], 1);

/** Every output of a graph, as onnxruntime and the reference answer it; exact, since only rectifiers are used here. */
async function expectSame(model: Graph): Promise<void> {
  await using executable = await reference.compile(model);
  const expected = await executable.run({ x: sample });
  const found = await runModel((await toOnnx(model)).model, { x: sample });
  expect(Object.keys(found).sort()).toEqual(Object.keys(expected).sort());
  for (const [name, answer] of Object.entries(expected)) {
    expect(found[name]!.shape).toEqual(answer.shape);
    expect([...found[name]!.data]).toEqual([...answer.data]);
  }
}

/** The whole numbers that operators take, by name. */
function numbersIn({ initializers }: Model): string[] {
  return initializers.flatMap(({ name, source }) => (source.dtype === "int64" ? `${name} ${source.data.join()}` : []));
}

describe("lowerToOnnx", () => {
  it("prints", () => {
    expect(formatModel(lowerToOnnx(tiny()))).toMatchInlineSnapshot(`
      "tiny (image: N×3×8×8) -> (logits: N×5)
      conv2d = Conv(image, conv.weight) kernel_shape=[3,3] strides=[1,1] pads=[1,1,1,1] dilations=[1,1] group=1
      batchNorm = BatchNormalization(conv2d, bn.weight, bn.bias, bn.running_mean, bn.running_var) epsilon=0.00001
      add = Add(batchNorm, image)
      relu = Relu(add)
      globalAveragePool = GlobalAveragePool(relu)
      flatten = Flatten(globalAveragePool) axis=1
      logits = Gemm(flatten, fc.weight, fc.bias) transB=1"
    `);
  });

  it("for WebGPU goes around what onnxruntime lacks or gets wrong, and around nothing else", () => {
    const image = input("image", [1, 6, 5, 5]);
    const weight = (name: string, ...shape: number[]) => constant(name, fill(shape, 2));
    const misread = ops.fusedConv2d({ x: image, weight: weight("a", 4, 6, 3, 3) }, { padding: 1, relu: true });
    const forgotten = ops.conv2d({ x: misread, weight: weight("b", 6, 4, 1, 1) }, { padding: [0, 0, 1, 2] });
    const whole = ops.conv2d({ x: forgotten, weight: weight("c", 4, 6, 6, 7) }, { padding: [0, 0, 0, 1] });
    const right = ops.conv2d({ x: whole, weight: weight("d", 4, 4, 1, 1) }, { padding: [1, 0, 1, 0], stride: 2 });
    const grouped = ops.conv2d({ x: right, weight: weight("e", 4, 1, 1, 1) }, { padding: [0, 0, 1, 1], groups: 4 });
    const y = ops.logSoftmax({ x: ops.flatten({ x: grouped }) });
    const lowered = lowerToOnnx(graph({ name: "around", inputs: { image }, outputs: { y } }), "webgpu");
    expect(formatModel(lowered)).toMatchInlineSnapshot(`
      "around (image: 1×6×5×5) -> (y: 1×24)
      fusedConv2d/conv2d/x = Pad(image, fusedConv2d/conv2d/x/pads)
      fusedConv2d/conv2d/weight = Pad(a, fusedConv2d/conv2d/weight/pads)
      fusedConv2d/conv2d = Conv(fusedConv2d/conv2d/x, fusedConv2d/conv2d/weight) kernel_shape=[3,3] strides=[1,1] pads=[1,1,1,1] dilations=[1,1] group=1
      fusedConv2d = Relu(fusedConv2d/conv2d)
      conv2d/x = Pad(fusedConv2d, conv2d/x/pads)
      conv2d = Conv(conv2d/x, b) kernel_shape=[1,1] strides=[1,1] pads=[0,0,0,0] dilations=[1,1] group=1
      conv2d_1/x = Pad(conv2d, conv2d_1/x/pads)
      conv2d_1/weight = Pad(c, conv2d_1/weight/pads)
      conv2d_1 = Conv(conv2d_1/x, conv2d_1/weight) kernel_shape=[6,7] strides=[1,1] pads=[0,0,0,0] dilations=[1,1] group=1
      conv2d_2 = Conv(conv2d_1, d) kernel_shape=[1,1] strides=[2,2] pads=[1,0,1,0] dilations=[1,1] group=1
      conv2d_3 = Conv(conv2d_2, e) kernel_shape=[1,1] strides=[1,1] pads=[0,0,1,1] dilations=[1,1] group=4
      flatten = Flatten(conv2d_3) axis=1
      logSoftmax/ReduceMax = ReduceMax(flatten) axes=[1]
      logSoftmax/Sub = Sub(flatten, logSoftmax/ReduceMax)
      logSoftmax/Exp = Exp(logSoftmax/Sub)
      logSoftmax/ReduceSum = ReduceSum(logSoftmax/Exp, logSoftmax/axes)
      logSoftmax/Log = Log(logSoftmax/ReduceSum)
      logSoftmax = Sub(logSoftmax/Sub, logSoftmax/Log)
      y = Identity(logSoftmax)"
    `);
    expect(numbersIn(lowered).filter((line) => line.includes("/pads "))).toMatchInlineSnapshot(`
      [
        "fusedConv2d/conv2d/x/pads 0,0,0,0,0,2,0,0",
        "fusedConv2d/conv2d/weight/pads 0,0,0,0,0,2,0,0",
        "conv2d/x/pads 0,0,0,0,0,0,1,2",
        "conv2d_1/x/pads 0,0,0,0,0,2,0,1",
        "conv2d_1/weight/pads 0,0,0,0,0,2,0,0",
      ]
    `);
  });

  it("for WebGPU gives a convolution an odd number of groups where an even one is worked out wrong", () => {
    const image = input("image", ["N", 4, 5, 5]);
    const weight = constant("weight", fill([12, 2, 3, 3], 2));
    const bias = constant("bias", fill([12], 3));
    const y = ops.fusedConv2d({ x: image, weight, bias }, { groups: 2, padding: 1, relu: true });
    const lowered = lowerToOnnx(graph({ name: "grouped", inputs: { image }, outputs: { y } }), "webgpu");
    expect(formatModel(lowered)).toMatchInlineSnapshot(`
      "grouped (image: N×4×5×5) -> (y: N×12×5×5)
      fusedConv2d/conv2d/x = Pad(image, fusedConv2d/conv2d/x/pads)
      fusedConv2d/conv2d/weight = Pad(weight, fusedConv2d/conv2d/weight/pads)
      fusedConv2d/conv2d/bias = Pad(bias, fusedConv2d/conv2d/bias/pads)
      fusedConv2d/conv2d/Conv = Conv(fusedConv2d/conv2d/x, fusedConv2d/conv2d/weight, fusedConv2d/conv2d/bias) kernel_shape=[3,3] strides=[1,1] pads=[1,1,1,1] dilations=[1,1] group=3
      fusedConv2d/conv2d = Slice(fusedConv2d/conv2d/Conv, fusedConv2d/conv2d/starts, fusedConv2d/conv2d/ends, fusedConv2d/conv2d/axes)
      fusedConv2d = Relu(fusedConv2d/conv2d)
      y = Identity(fusedConv2d)"
    `);
    expect(numbersIn(lowered)).toMatchInlineSnapshot(`
      [
        "fusedConv2d/conv2d/x/pads 0,0,0,0,0,2,0,0",
        "fusedConv2d/conv2d/weight/pads 0,0,0,0,6,0,0,0",
        "fusedConv2d/conv2d/bias/pads 0,6",
        "fusedConv2d/conv2d/starts 0",
        "fusedConv2d/conv2d/ends 12",
        "fusedConv2d/conv2d/axes 1",
      ]
    `);
  });

  it("writes a fused convolution as standard operators", () => {
    const weight = constant("weight", fill([2, 2, 3, 3], 2));
    const y = ops.fusedConv2d({ x, weight, residual: x }, { padding: [1, 0, 1, 2], relu: true });
    const plain = ops.fusedConv2d({ x: y, weight }, { groups: 1, dilation: 2, stride: [1, 2] });
    expect(
      formatModel(lowerToOnnx(graph({ name: "fused", inputs: { x }, outputs: { y: plain } }))),
    ).toMatchInlineSnapshot(`
      "fused (x: N×2×5×5) -> (y: N×2×1×1)
      fusedConv2d/conv2d = Conv(x, weight) kernel_shape=[3,3] strides=[1,1] pads=[1,0,1,2] dilations=[1,1] group=1
      fusedConv2d/add = Add(fusedConv2d/conv2d, x)
      fusedConv2d = Relu(fusedConv2d/add)
      fusedConv2d_1 = Conv(fusedConv2d, weight) kernel_shape=[3,3] strides=[1,2] pads=[0,0,0,0] dilations=[2,2] group=1
      y = Identity(fusedConv2d_1)"
    `);
  });

  it("writes slices and padding with their numbers as constants", () => {
    const y = ops.padChannels({ x: ops.subsample({ x }, { stride: [2, 3] }) }, { before: 1, after: 2 });
    const model = lowerToOnnx(graph({ name: "shortcut", inputs: { x }, outputs: { y } }));
    expect(formatModel(model)).toMatchInlineSnapshot(`
      "shortcut (x: N×2×5×5) -> (y: N×5×3×2)
      subsample = Slice(x, subsample/starts, subsample/ends, subsample/axes, subsample/steps)
      padChannels = Pad(subsample, padChannels/pads)
      y = Identity(padChannels)"
    `);
    expect(
      model.initializers.map(({ name, source }) => `${name}: ${(source as Tensor).data.join()}`),
    ).toMatchInlineSnapshot(`
      [
        "subsample/starts: 0,0",
        "subsample/ends: 5,5",
        "subsample/axes: 2,3",
        "subsample/steps: 2,3",
        "padChannels/pads: 0,1,0,0,0,2,0,0",
      ]
    `);
  });

  it("rounds float64 constants to float32, once", async () => {
    const scale = constant("w", { dtype: "float64", shape: [1, 2], data: Float64Array.of(0.1, 1 / 3) });
    const features = input("x", ["N", 2]);
    const model = lowerToOnnx(
      graph({ name: "g", inputs: { x: features }, outputs: { y: ops.linear({ x: features, weight: scale }) } }),
    );
    const [weight] = (await readModel(model)).initializers;
    expect(weight!.source).toEqual(tensor([1, 2], [0.1, 1 / 3]));
  });

  it("refuses open parameters", () => {
    const open = graph({
      name: "net",
      inputs: { x },
      outputs: { y: ops.conv2d({ x, weight: parameter("conv.weight", [1, 2, 1, 1]) }) },
    });
    expect(() => lowerToOnnx(open)).toThrow(UnsupportedError);
    expect(() => lowerToOnnx(open)).toThrow("1 parameters of net are open (conv.weight, …); bind them first");
  });
});

describe("names of outputs", () => {
  const relu = { ...ops.relu({ x }), name: "relu" };
  const pooled = ops.maxPool2d({ x: relu }, { window: 2 });
  const weight = constant("weight", tensor([2, 2, 1, 1], [1, 2, 3, 4]));
  const named = (outputs: { [name: string]: Value }) => graph({ name: "outputs", inputs: { x }, outputs });

  it.each<[string, { [name: string]: Value }]>([
    ["the value's own", { relu }],
    ["another", { layer1: relu }],
    ["two of one value", { layer1: relu, relu, stem: relu }],
    ["of a value in the middle", { features: relu, pooled }],
    ["an input", { copy: x, relu }],
    ["an input under its own name", { x, relu }],
    ["a constant", { weight, relu }],
    ["a constant under another name", { kernel: weight, relu }],
    ["one that another value has", { relu: pooled }],
    ["swapped", { relu: pooled, maxPool2d: relu }],
  ])("%s", (_, outputs) => expectSame(named(outputs)));

  it("refuses an output named like an input that it is not", () => {
    expect(() => lowerToOnnx(named({ x: relu }))).toThrow(
      "output x of outputs (relu) has the name of an input; rename one",
    );
  });

  it("keeps an input that nothing reads", async () => {
    const model = graph({ name: "unread", inputs: { x, unread: input("unread", ["N", 1]) }, outputs: { relu } });
    const found = await runModel((await toOnnx(model)).model, { x: sample, unread: fill([2, 1], 1) });
    expect(found.relu!.shape).toEqual([2, 2, 5, 5]);
  });
});
