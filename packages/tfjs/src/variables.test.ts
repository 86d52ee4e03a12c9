import {
  AbortError,
  type Backend,
  constant,
  DeviceLostError,
  type Graph,
  graph,
  input,
  type LazySource,
  ops,
  readTensor,
  reference,
  type Tensor,
  tensor,
  type Value,
  variable,
} from "@residual/core";
import * as tf from "@tensorflow/tfjs-core";
import { describe, expect, it } from "vitest";
import { tfjs } from "./backend.ts";
import { dialectOf } from "./dialects.ts";
import { openEngine } from "./engines.ts";
import { toGraphModel } from "./export.ts";
import { lowerToProgram } from "./lower.ts";
import { formatProgram } from "./print.ts";
import { fill, slow } from "./testing/graphs.ts";

const wasm = tfjs({ engine: "wasm" });
const cpu = tfjs({ engine: "cpu" });
const threaded = tfjs({ engine: "wasm", worker: true });
const everywhere: readonly [string, Backend][] = [
  ["cpu", cpu],
  ["wasm", wasm],
  ["wasm in a thread", threaded],
];

const wholes = (shape: readonly number[], seed = 3) => tensor(shape, fill(shape, seed).data.map(Math.round));

/** `total` grows by one in each run, which answers with its value before. */
function counter(): Graph<never, "total"> {
  const total = variable("total", tensor([1], [0]));
  const value = ops.add({ a: total, b: constant("one", tensor([1], [1])) });
  return graph({ name: "counter", inputs: {}, outputs: { total }, updates: [{ variable: total, value }] });
}

/** The same beside a run that takes long enough to be aborted. */
function slowCounter(depth?: number): Graph<"image", "y"> {
  const { name, inputs, outputs } = slow(depth);
  return graph({ name, inputs, outputs, updates: counter().updates });
}

const large = fill([1, 64, 56, 56], 1);

describe.each(everywhere)("on %s", (_, backend) => {
  it("a counter answers with its value before the run", async () => {
    await using executable = await backend.compile(counter());
    const [first, second] = await Promise.all([executable.run({}), executable.run({})]);
    expect([first.total.data[0], second.total.data[0]]).toEqual([0, 1]);
    expect((await executable.read(["total"])).total).toEqual(tensor([1], [2]));
  });

  it("two variables swap, since all updates take effect together", async () => {
    const [a, b] = [variable("a", tensor([2], [1, 2])), variable("b", tensor([2], [3, 4]))];
    const updates = [
      { variable: a, value: b },
      { variable: b, value: a },
    ];
    await using executable = await backend.compile(graph({ name: "swap", inputs: {}, outputs: { a }, updates }));
    for (const [before, after] of [
      [
        [1, 2],
        [3, 4],
      ],
      [
        [3, 4],
        [1, 2],
      ],
      [
        [1, 2],
        [3, 4],
      ],
    ]) {
      expect([...(await executable.run({})).a.data]).toEqual(before);
      const found = await executable.read(["a", "b"]);
      expect([[...found.a!.data], [...found.b!.data]]).toEqual([after, before]);
    }
  });

  it("a running mean follows the input", async () => {
    const x = input("x", [1, 2, 1, 1]);
    const mean = variable("mean", tensor([1, 2, 1, 1], [0, 8]));
    const half = constant("half", tensor([1, 2, 1, 1], [0.5, 0.5]));
    const value = ops.add({ a: ops.multiply({ x: mean, gate: half }), b: ops.multiply({ x, gate: half }) });
    const running = graph({ name: "g", inputs: { x }, outputs: { mean }, updates: [{ variable: mean, value }] });
    await using executable = await backend.compile(running);
    for (const each of [4, 8, 16]) await executable.run({ x: tensor([1, 2, 1, 1], [each, -each]) });
    // 0 → 2 → 5 → 10.5, and 8 → 2 → −3 → −9.5
    expect((await executable.read(["mean"])).mean).toEqual(tensor([1, 2, 1, 1], [10.5, -9.5]));
  });

  it("images are kept in the graph's own layout, whatever replaces them", async () => {
    const shape = [1, 3, 2, 2];
    const x = input("x", shape);
    const computed = variable("computed", fill(shape, 1));
    const given = variable("given", fill(shape, 2));
    const copied = variable("copied", fill(shape, 3));
    const fixed = variable("fixed", fill(shape, 4));
    const same = variable("same", fill(shape, 5));
    const updates = [
      { variable: computed, value: ops.relu({ x: ops.add({ a: x, b: computed }) }) },
      { variable: given, value: x },
      { variable: copied, value: given },
      { variable: fixed, value: constant("c", fill(shape, 6)) },
      { variable: same, value: same },
    ];
    const outputs = { computed, given, copied, fixed, same, sum: ops.add({ a: fixed, b: copied }) };
    const all = graph({ name: "all", inputs: { x }, outputs, updates });
    await using executable = await backend.compile(all);
    const names = ["computed", "given", "copied", "fixed", "same"];
    const images = [wholes(shape, 7), wholes(shape, 8)];
    let before: { [name: string]: Tensor } = Object.fromEntries(names.map((name, i) => [name, fill(shape, i + 1)]));
    for (const image of images) {
      const { sum, ...answers } = await executable.run({ x: image });
      expect(answers).toEqual(before);
      const [fixedBefore, copiedBefore] = [before.fixed!.data as Float32Array, before.copied!.data as Float32Array];
      expect(sum.data).toEqual(fixedBefore.map((value, i) => value + copiedBefore[i]!));
      const old = before.computed!.data as Float32Array;
      before = {
        computed: tensor(
          shape,
          old.map((value, i) => Math.max(value + image.data[i]!, 0)),
        ),
        given: image,
        copied: before.given!,
        fixed: fill(shape, 6),
        same: fill(shape, 5),
      };
      expect(await executable.read(names)).toEqual(before);
    }
  });

  it("a variable that nothing updates has its first numbers", async () => {
    const weight = variable("weight", wholes([2, 4]));
    const x = input("x", ["N", 4]);
    const { updates } = counter();
    const y = ops.linear({ x, weight });
    await using executable = await backend.compile(graph({ name: "g", inputs: { x }, outputs: { y }, updates }));
    await executable.run({ x: fill([3, 4], 1) });
    expect(await executable.read(["total", "weight"])).toEqual({ total: tensor([1], [1]), weight: wholes([2, 4]) });
  });

  it("a run that is aborted leaves them as they were", async () => {
    await using executable = await backend.compile(slowCounter(backend === cpu ? 1 : 40));
    const inputs = { image: large };
    await executable.run(inputs);
    const controller = new AbortController();
    const run = executable.run(inputs, { signal: controller.signal, onProgress: () => controller.abort() });
    await expect(run).rejects.toThrow(AbortError);
    expect((await executable.read(["total"])).total!.data[0]).toBe(1);
    await executable.run(inputs);
    expect((await executable.read(["total"])).total!.data[0]).toBe(2);
  });
});

/** What each layout of a kernel is made for, as operations work it out. */
const cases: readonly [string, readonly number[], readonly number[], Parameters<typeof ops.conv2d>[1]][] = [
  ["a window", [2, 3, 6, 5], [4, 3, 3, 3], { padding: 1 }],
  ["single pixels, which are a product of matrices on wasm", [2, 8, 5, 7], [4, 8, 1, 1], { stride: 2 }],
  ["one output of one channel", [1, 1, 4, 4], [1, 1, 2, 2], {}],
  ["groups of two channels, each channel alone", [1, 4, 7, 9], [6, 2, 1, 3], { groups: 2, stride: [1, 2] }],
  ["groups of three channels, whose sums are no means", [1, 6, 5, 5], [4, 3, 2, 2], { groups: 2 }],
  ["a group for each channel", [2, 4, 5, 5], [8, 1, 3, 3], { groups: 4, padding: [1, 0, 0, 1] }],
  ["groups of 64 channels, a convolution each", [1, 128, 3, 3], [4, 64, 2, 2], { groups: 2 }],
  ["stride and dilation", [2, 3, 11, 12], [4, 3, 2, 3], { stride: [2, 3], dilation: 2, padding: [0, 1, 1, 0] }],
];
const heavy: typeof cases = [["windows as a product of matrices", [2, 256, 8, 8], [512, 256, 3, 3], { padding: 1 }]];

/** relu(conv2d(x, weight, bias) + x'): weight and bias grow by whole numbers in each run. */
function training(
  shape: readonly number[],
  bank: readonly number[],
  attributes: Parameters<typeof ops.conv2d>[1],
  changes: { weight: boolean; bias: boolean },
): Graph<"x", "y"> {
  const x = input("x", shape);
  const leaf = (isVariable: boolean, name: string, from: Tensor<"float32">) =>
    isVariable ? variable(name, from) : constant(name, from);
  const weight = leaf(changes.weight, "weight", wholes(bank));
  const bias = leaf(changes.bias, "bias", wholes([bank[0]!], 4));
  const updates = [weight, bias].flatMap((each) => {
    if (each.kind !== "variable") return [];
    return [{ variable: each, value: ops.add({ a: each, b: constant(`${each.name}.step`, wholes(each.shape, 5)) }) }];
  });
  const y = ops.relu({ x: ops.conv2d({ x, weight, bias }, attributes) });
  return graph({ name: "training", inputs: { x }, outputs: { y }, updates });
}

function sameNumbers(what: string, found: Tensor, expected: Tensor) {
  expect(found.shape).toEqual(expected.shape);
  const wrong = found.data.findIndex((value, i) => value !== expected.data[i]); // soon told, where many are
  expect(wrong, `${what}: ${found.data[wrong]} for ${expected.data[wrong]}`).toBe(-1);
}

async function agreesWithReference(backend: Backend, trained: Graph<"x", "y">, shape: readonly number[]) {
  const names = trained.updates.map(({ variable: { name } }) => name);
  await using executable = await backend.compile(trained);
  await using exact = await reference.compile(trained);
  for (const seed of [1, 2, 3]) {
    const x = wholes(shape, seed);
    const [found, expected] = [await executable.run({ x }), await exact.run({ x })];
    sameNumbers(`y of run ${seed}`, found.y, expected.y);
    const [kept, right] = [await executable.read(names), await exact.read(names)];
    for (const name of names) sameNumbers(`${name} after run ${seed}`, kept[name]!, right[name]!);
  }
}

describe("a convolution of weights that each run changes, exactly, on whole numbers,", () => {
  const changes = [
    { weight: true, bias: true },
    { weight: true, bias: false },
    { weight: false, bias: true },
  ];
  it.each(cases)("%s", async (_, shape, bank, attributes) => {
    for (const change of changes) {
      for (const backend of [cpu, wasm]) {
        await agreesWithReference(backend, training(shape, bank, attributes, change), shape);
      }
    }
    await agreesWithReference(threaded, training(shape, bank, attributes, changes[0]!), shape);
  });

  it.each(heavy)("%s", async (_, shape, bank, attributes) => {
    await agreesWithReference(wasm, training(shape, bank, attributes, changes[0]!), shape);
  });

  it("with a kernel that operations make of a variable", async () => {
    const shape = [1, 2, 5, 5];
    const x = input("x", shape);
    const weight = variable("weight", wholes([4, 2, 3, 3]));
    const step = constant("step", wholes([4, 2, 3, 3], 5));
    const next = ops.add({ a: weight, b: step });
    const y = ops.conv2d({ x, weight: ops.relu({ x: next }) });
    const made = graph({ name: "g", inputs: { x }, outputs: { y }, updates: [{ variable: weight, value: next }] });
    for (const backend of [cpu, wasm]) await agreesWithReference(backend, made, shape);
  });

  it("a matrix with its bias", async () => {
    const x = input("x", [2, 5]);
    const weight = variable("weight", wholes([3, 5]));
    const bias = variable("bias", wholes([3], 4));
    const updates = [weight, bias].map((each) => {
      return { variable: each, value: ops.add({ a: each, b: constant(`${each.name}.step`, wholes(each.shape, 5)) }) };
    });
    const y = ops.linear({ x, weight, bias });
    const made = graph({ name: "g", inputs: { x }, outputs: { y }, updates });
    for (const backend of [cpu, wasm]) await agreesWithReference(backend, made, [2, 5]);
  });
});

describe("a program", () => {
  const of = (value: (x: Value, weight: Value) => ReturnType<typeof ops.conv2d>) => {
    const x = input("x", [1, 4, 3, 3]);
    const weight = variable("weight", wholes([6, 2, 2, 2]));
    const update = ops.add({ a: weight, b: constant("step", wholes(weight.shape, 5)) });
    const updates = [{ variable: weight, value: update }];
    return graph({ name: "g", inputs: { x }, outputs: { y: value(x, weight) }, updates });
  };

  it("lays kernels out by operations, and ends with its updates", () => {
    const grouped = of((x, weight) => ops.conv2d({ x, weight }, { groups: 2 }));
    expect(
      formatProgram(lowerToProgram(grouped, dialectOf("wasm")))
        .split("\n")
        .slice(1),
    ).toEqual([
      "weight/depthwise-2-2/groups = Reshape(weight) shape=[2,3,2,4]",
      "weight/depthwise-2-2/transposed = Transpose(weight/depthwise-2-2/groups) permutation=[3,0,2,1]",
      "weight/depthwise-2-2/bank = Reshape(weight/depthwise-2-2/transposed) shape=[2,2,4,3]",
      "weight/depthwise-2-2 = Mul(weight/depthwise-2-2/bank, scalar/2)",
      "x/channels-last = Transpose(x) permutation=[0,2,3,1]",
      "conv2d/depthwise = DepthwiseConv2dNative(x/channels-last, weight/depthwise-2-2) strides=[1,1] pads=[0,0,0,0] dilations=[1,1]",
      "conv2d/products = Reshape(conv2d/depthwise) shape=[-1,2,2,3]",
      'conv2d/sums = AvgPool(conv2d/products) window=[1,2] strides=[1,2] padding="VALID"',
      "conv2d = Reshape(conv2d/sums) shape=[-1,2,2,6]",
      "add = AddV2(weight, step)",
      "y = Transpose(conv2d) permutation=[0,3,1,2]",
      "weight <- add",
    ]);
  });

  it("leaves a bias that changes to an addition: a packing of the kernel would hold it", () => {
    const trained = training([1, 2, 3, 3], [2, 2, 2, 2], {}, { weight: false, bias: true });
    const { operations } = lowerToProgram(trained, dialectOf("wasm"));
    const names = operations.map(({ operator }) => operator);
    expect(names).toContain("Conv2D");
    expect(names).not.toContain("_FusedConv2D");
  });

  it("holds a variable that nothing updates as a constant", () => {
    const { variables, weights } = lowerToProgram({ ...counter(), updates: [] }, dialectOf("wasm"));
    expect([variables, weights.map(({ name }) => name)]).toEqual([[], ["total"]]);
  });
});

describe("memory", () => {
  it.each([
    ["cpu", cpu],
    ["wasm", wasm],
  ] as const)("of 200 runs on %s is free, and with dispose all", async (_, backend) => {
    await backend.describe();
    const nothing = tf.memory();
    const trained = training([1, 2, 4, 4], [4, 2, 3, 3], {}, { weight: true, bias: true });
    const executable = await backend.compile(trained);
    const x = wholes([1, 2, 4, 4]);
    await executable.run({ x });
    const { numTensors, numBytes, numDataBuffers } = tf.memory();
    for (let i = 0; i < 200; i++) await executable.run({ x });
    expect(tf.memory()).toMatchObject({ numTensors, numBytes, numDataBuffers });
    await executable.dispose();
    const { numTensors: tensors, numBytes: bytes, numDataBuffers: buffers } = nothing;
    expect(tf.memory()).toMatchObject({ numTensors: tensors, numBytes: bytes, numDataBuffers: buffers });
  });

  it("of XNNPACK's packings is free once the kernel has changed", async () => {
    const { instance } = await openEngine("wasm");
    const heap = () => (instance as unknown as { wasm: { HEAPU8: Uint8Array } }).wasm.HEAPU8.length;
    const shape = [1, 64, 3, 3];
    const trained = training(shape, [256, 64, 3, 3], {}, { weight: true, bias: true }); // 0.6 MiB a kernel
    await using executable = await wasm.compile(trained);
    const x = wholes(shape);
    for (let i = 0; i < 10; i++) await executable.run({ x });
    const before = heap();
    for (let i = 0; i < 300; i++) await executable.run({ x }); // which would be 350 MiB of packings
    expect(heap()).toBe(before);
  });
});

describe("what a run that does not get through leaves", () => {
  it("is what was there, where the engine fails in mid run", async () => {
    await using executable = await cpu.compile(counter());
    await executable.run({});
    const { cpu: instance } = tf.engine().registry;
    delete tf.engine().registry.cpu;
    await expect(executable.run({})).rejects.toThrow(DeviceLostError);
    tf.engine().registry.cpu = instance!;
    expect((await executable.read(["total"])).total).toEqual(tensor([1], [1]));
  });

  it("is what was there, where a thread had come to its end before it was told", async () => {
    await using executable = await threaded.compile(slowCounter());
    const controller = new AbortController();
    const run = executable.run({ image: large }, { signal: controller.signal });
    await new Promise((resolve) => setTimeout(resolve, 20));
    for (const end = performance.now() + 3000; performance.now() < end; ); // its answer waits for this
    controller.abort();
    await expect(run).rejects.toThrow(AbortError);
    expect((await executable.read(["total"])).total).toEqual(tensor([1], [0]));
    await executable.run({ image: large });
    expect((await executable.read(["total"])).total).toEqual(tensor([1], [1]));
  });
});

describe("a graph model", () => {
  it("is refused where it would have to change", async () => {
    await expect(toGraphModel(counter())).rejects.toMatchObject({
      code: "UnsupportedError",
      message:
        "tfjs: counter updates the variable total, and a graph model holds variables as constants; export the graph without its updates",
    });
  });

  it("holds variables that nothing updates as constants", async () => {
    const { files } = await toGraphModel({ ...counter(), updates: [] });
    expect(files["group1-shard1of1.bin"]).toEqual(new Uint8Array(4));
  });
});

it("is read from a source that is no tensor", async () => {
  const lazy: LazySource = {
    dtype: "float32",
    shape: [3],
    firstNonFinite: -1,
    read: async (into) => into.set([1, 2, 3]),
  };
  const last = variable("last", lazy);
  const x = input("x", [3]);
  const of = graph({ name: "g", inputs: { x }, outputs: { last }, updates: [{ variable: last, value: x }] });
  await using executable = await wasm.compile(of);
  expect((await executable.read(["last"])).last).toEqual(await readTensor(lazy));
  expect((await executable.run({ x: tensor([3], [4, 5, 6]) })).last.data).toEqual(Float32Array.of(1, 2, 3));
  expect((await executable.read(["last"])).last!.data).toEqual(Float32Array.of(4, 5, 6));
});
