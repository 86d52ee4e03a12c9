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
import { toOnnx } from "./files/write-onnx.ts";
import { lowerToOnnx } from "./lower.ts";
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
      "output x of outputs is relu, yet an input has its name; rename one",
    );
  });

  it("keeps an input that nothing reads", async () => {
    const model = graph({ name: "unread", inputs: { x, unread: input("unread", ["N", 1]) }, outputs: { relu } });
    const found = await runModel((await toOnnx(model)).model, { x: sample, unread: fill([2, 1], 1) });
    expect(found.relu!.shape).toEqual([2, 2, 5, 5]);
  });
});
