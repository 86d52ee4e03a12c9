import { copyFile, mkdir, mkdtemp, open, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import {
  bind,
  constantsOf,
  FormatError,
  type Graph,
  optimize,
  ResidualError,
  type ResNetSpec,
  readTensor,
  reference,
  resnet,
  UnsupportedError,
} from "@residual/core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { readWeights } from "../read-weights.ts";
import { join as joined } from "../testing/bytes.ts";
import { bytes, external, initializer, message, modelProto, tensorProto, varint, whole } from "../testing/protobuf.ts";
import { sharedPath } from "../testing/shared.ts";

const fixture = (name: string) => fileURLToPath(new URL(`fixtures/${name}`, import.meta.url));
const answers = (await readWeights(fixture("answers.safetensors"))).tensors;

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "residual-onnx-"));
});
afterAll(() => rm(folder, { recursive: true }));

const basic: ResNetSpec = { block: "basic", depths: [1, 1], width: 4, classes: 5 };
const bottleneck: ResNetSpec = { ...basic, block: "bottleneck" };
const exported: readonly (readonly [name: string, spec: ResNetSpec])[] = [
  ["torchscript-13", basic],
  ["torchscript-17", { ...bottleneck, groups: 2, widthPerGroup: 32 }],
  ["torchscript-named", basic],
  ["torchscript-v1", { ...bottleneck, strideOn: "conv1" }],
  ["torchscript-option-a", { ...basic, stem: "cifar", shortcut: "padEven" }],
  ["torchscript-preactivated", { ...basic, stem: "bare", shortcut: "preactivated", preActivation: true }],
  ["dynamo-18", basic],
  ["dynamo-20-squeeze", { ...bottleneck, squeeze: 16, shortcut: "pooled" }],
  ["dynamo-external", basic],
  ["float16", basic],
  ["numbers", basic],
];
const graphOf = (spec: ResNetSpec): Graph<"image"> => resnet(spec, { input: [1, 3, 16, 16] });

describe("what exporters wrote (fixtures/make.py)", () => {
  it.each(exported)("%s computes as our graph what it does itself", async (name, spec) => {
    const graph = graphOf(spec);
    const weights = await readWeights(fixture(`${name}.onnx`), { graph });
    await using model = await reference.compile(bind(graph, weights));
    const image = await readTensor(answers.get(`${name}/image`)!);
    if (image.dtype !== "float32") throw new TypeError("the fixture's image is not float32");
    const { logits } = await model.run({ image });
    const expected = (await readTensor(answers.get(`${name}/logits`)!)).data as Float64Array;
    const largest = Math.max(...expected.map(Math.abs));
    expect(logits!.shape).toEqual([1, 5]);
    // Both are in float64, where the error of a sum of n products is at most n · 2⁻⁵³. No path sums 4096 products.
    for (const [i, value] of expected.entries())
      expect(Math.abs(logits!.data[i]! - value)).toBeLessThan(largest * 2 ** -41);
  });

  it.each(["torchscript-13", "dynamo-18", "numbers"])("%s: what is folded again has the file's bits", async (name) => {
    const graph = graphOf(basic);
    const file = await readWeights(fixture(`${name}.onnx`));
    const stored = new Set<string>();
    for (const source of file.tensors.values())
      if (source.dtype === "float32")
        stored.add(bitsOf(Float32Array.from((await readTensor(source)).data as Float32Array)));
    const folded = constantsOf(optimize(bind(graph, await readWeights(fixture(`${name}.onnx`), { graph }))));
    const convolutions = folded.filter(({ name }) => name.includes("folded"));
    expect(convolutions).toHaveLength(12);
    for (const { source } of convolutions)
      expect(stored).toContain(bitsOf(Float32Array.from((await readTensor(source)).data as Float64Array)));
  });

  it("torchscript-named keeps its tensors as they are", async () => {
    const graph = graphOf(basic);
    const { tensors } = await readWeights(fixture("torchscript-named.onnx"));
    const fitted = await readWeights(fixture("torchscript-named.onnx"), { graph });
    for (const [name, source] of fitted.tensors)
      expect(await readTensor(source)).toEqual(await readTensor(tensors.get(name)!));
  });

  it.each([
    [
      "torchscript-v1",
      bottleneck,
      /found Conv "\/layer2\/layer2\.0\/conv1\/Conv" with stride 2×2, expected 1×1 for layer2\.0\.conv1$/,
    ],
    [
      "torchscript-13",
      { ...basic, depths: [1, 2] },
      /found GlobalAveragePool .* after Relu .*, expected conv2d for layer2\.1\.conv1$/,
    ],
    ["torchscript-13", { ...basic, padding: "same" }, /Conv" with padding 3, 3, 3, 3, expected 2, 2, 3, 3 for conv1$/],
    ["torchscript-13", { ...basic, squeeze: 16 }, /found Add .*, expected globalAveragePool for layer1\.0\.se\.pool$/],
    ["torchscript-17", bottleneck, /weights of 4×2×3×3, expected 4×4×3×3 for layer1\.0\.conv2$/],
    [
      "torchscript-named",
      { ...basic, epsilon: 1e-3 },
      /BatchNormalization .* with epsilon 0\.0000\d+, expected 0\.001 for bn1$/,
    ],
    [
      "torchscript-option-a",
      { ...basic, stem: "cifar", shortcut: "padEnd" },
      /with channels of zeros 2, 2, expected 0, 4 for/,
    ],
    ["dynamo-20-squeeze", { ...bottleneck, squeeze: 16 }, /with weights of .*|found .* for layer2\.0\.downsample/],
  ] satisfies [string, ResNetSpec, RegExp][])(
    "%s is not %j, and the first difference is told",
    async (name, spec, message) => {
      const reading = readWeights(fixture(`${name}.onnx`), {
        graph: resnet({ ...spec, classes: 7 }, { input: [1, 3, 16, 16] }),
      });
      await expect(reading).rejects.toThrow(UnsupportedError);
      await expect(reading).rejects.toThrow(message);
    },
  );

  it.each(["relu", "globalaveragepool", "flatten"])(
    "a network that ends with its %s lacks the last layer",
    async (end) => {
      const graph = graphOf(basic);
      const { tensors } = await readWeights(fixture(`ends-${end}.onnx`), { graph });
      const whole = await readWeights(fixture("torchscript-13.onnx"), { graph });
      expect([...tensors.keys()]).toEqual([...whole.tensors.keys()].filter((name) => !name.startsWith("fc.")));
      for (const [name, source] of tensors)
        expect(await readTensor(source)).toEqual(await readTensor(whole.tensors.get(name)!));
    },
  );

  it("a network with more after its last layer is another", async () => {
    const reading = readWeights(fixture("ends-sigmoid.onnx"), { graph: graphOf(basic) });
    await expect(reading).rejects.toThrow(UnsupportedError);
    await expect(reading).rejects.toThrow(/found Sigmoid "chances" after Gemm ".*", expected the end$/);
  });

  it.each(["a path", "bytes"])("reads numbers from every field of a tensor, and the metadata, of %s", async (kind) => {
    const path = fixture("tensors.onnx");
    const source = kind === "bytes" ? new Uint8Array(await readFile(path)) : path;
    const { tensors, metadata, labels } = await readWeights(source);
    expect(metadata).toEqual({ classes: '["cat", "dog"]', author: "残差" });
    expect(labels).toEqual(["cat", "dog"]);
    expect(tensors.size).toBe(10);
    for (const [name, tensor] of tensors)
      expect([name, await readTensor(tensor)]).toEqual([name, await readTensor(answers.get(`tensors/${name}`)!)]);
  });

  it("takes the row that a file names, of rows that compute the same, else the first", async () => {
    const { model, notes } = await readWeights(fixture("unit.onnx"));
    expect(model).toBe("pytorch_unit");
    expect(notes).toEqual([expect.stringMatching(/is that of pytorch_unit, and of pytorch_unit_s1_id as well$/)]);
    const named = joined([
      await readFile(fixture("unit.onnx")),
      message(14, bytes(1, "residual.model"), bytes(2, "pytorch_unit_s1_id")),
    ]);
    const said = await readWeights(named);
    expect([said.model, said.notes]).toEqual(["pytorch_unit_s1_id", []]);
  });

  const light = sharedPath("data/onnx/light");
  it.skipIf(!light).each(["light_resnet50", "light_squeezenet", "light_vgg19"])(
    "%s, whose weights are ConstantOfShape, is that of no model",
    async (name) => {
      const { graph } = await readWeights(join(light!, `${name}.onnx`));
      expect(graph!.mismatch).toMatch(
        /^found 0 convolutions with numbers in the file, and ConstantOfShape ".*", which no/,
      );
      expect(() => graph!.fit(graphOf(basic))).toThrow(UnsupportedError);
    },
  );

  const operators = sharedPath("data/onnx/pytorch-converted");
  it.skipIf(!operators)("single operators have their weights, and no model's graph", async () => {
    const { tensors, graph } = await readWeights(join(operators!, "test_Conv2d_groups/model.onnx"));
    expect([...tensors.values()].map(({ shape }) => shape)).toEqual([[6, 2, 3, 2], [6]]);
    expect(graph!.mismatch).toMatch(/^found 1 convolutions/);
  });
});

function bitsOf({ buffer, byteOffset, byteLength }: Float32Array): string {
  return Buffer.from(buffer, byteOffset, byteLength).toString("base64");
}

const FLOAT = 1;
const numbers = (count: number) => bytes(9, new Uint8Array(4 * count));

describe("external data", () => {
  const modelOf = (entries: Readonly<Record<string, string>>) =>
    modelProto(initializer(tensorProto("w", FLOAT, [2, 3], external(entries))));
  const read = async (entries: Readonly<Record<string, string>>) => {
    await mkdir(join(folder, "in"), { recursive: true });
    await writeFile(join(folder, "in", "model.onnx"), modelOf(entries));
    await writeFile(join(folder, "in", "w.bin"), new Uint8Array(Float32Array.from({ length: 10 }, (_, i) => i).buffer));
    return (await readWeights(join(folder, "in", "model.onnx"))).tensors.get("w");
  };

  it("lies in a file beside the model, at an offset that need not be given", async () => {
    expect(await read({ location: "w.bin" })).toMatchObject({ data: Float32Array.of(0, 1, 2, 3, 4, 5) });
    expect(await read({ location: "./w.bin", offset: "16", length: "24", checksum: "x" })).toMatchObject({
      data: Float32Array.of(4, 5, 6, 7, 8, 9),
    });
  });

  it("lies beyond the first 2 GiB of a file", async () => {
    const handle = await open(join(folder, "large.bin"), "w");
    await handle.write(new Uint8Array(Float32Array.of(1, 2, 3, 4, 5, 6).buffer), 0, 24, 5 * 2 ** 30);
    await handle.close();
    await writeFile(join(folder, "large.onnx"), modelOf({ location: "large.bin", offset: String(5 * 2 ** 30) }));
    const { tensors } = await readWeights(join(folder, "large.onnx"));
    expect(tensors.get("w")).toMatchObject({ data: Float32Array.of(1, 2, 3, 4, 5, 6) });
  });

  it.each<[Record<string, string>, RegExp]>([
    [{ location: "../../etc/passwd" }, /names the file "\.\.\/\.\.\/etc\/passwd", expected one that lies beside it/],
    [{ location: "/etc/passwd" }, /names the file "\/etc\/passwd", expected one/],
    [{ location: "C:\\w.bin" }, /expected one that lies beside it/],
    [{ location: "" }, /expected one that lies beside it/],
    [{ location: "." }, /expected one that lies beside it/],
    [{ offset: "0" }, /lies in a file that has no name/],
    [{ location: "w.bin", offset: "20" }, /lies at bytes 20 to 44, and the file has 40; download it again/],
    [{ location: "w.bin", offset: "-4" }, /has the offset "-4", expected a whole number/],
    [{ location: "w.bin", offset: "9007199254740993" }, /has the offset "9007199254740993", expected/],
    [{ location: "w.bin", length: "8" }, /has 8 bytes, expected 24 for F32 \[2, 3\]/],
  ])("%j is refused", async (entries, problem) => {
    await expect(read(entries)).rejects.toThrow(FormatError);
    await expect(read(entries)).rejects.toThrow(problem);
  });

  it("that is missing is named, also where the model came as bytes", async () => {
    await copyFile(fixture("dynamo-external.onnx"), join(folder, "alone.onnx"));
    await expect(readWeights(join(folder, "alone.onnx"))).rejects.toThrow(
      "dynamo-external.onnx.data: there is no such file",
    );
    await expect(
      readWeights(new Blob([new Uint8Array(await readFile(fixture("dynamo-external.onnx")))])),
    ).rejects.toThrow('it needs the file "dynamo-external.onnx.data" beside it');
  });
});

describe("hostile files", () => {
  const big = 2n ** 62n;
  it.each<[what: string, file: Uint8Array, kind: typeof FormatError | typeof UnsupportedError, problem: RegExp]>([
    [
      "a number that never ends",
      joined([whole(1, 8), bytes(2, "x"), Uint8Array.of(0x38), new Uint8Array(1000).fill(0xff)]),
      FormatError,
      /number without an end/,
    ],
    [
      "a length beyond the file",
      joined([whole(1, 8), bytes(2, "x"), bytes(7, "", 2n ** 40n)]),
      FormatError,
      /a field of 1099511627776 bytes/,
    ],
    ["a negative length", joined([whole(1, 8), bytes(2, "x"), bytes(7, "", -1n)]), FormatError, /a field of -1 bytes/],
    ["a group", joined([whole(1, 8), bytes(2, "x"), Uint8Array.of(0x3b)]), FormatError, /wire type 3/],
    ["no graph", joined([whole(1, 8), bytes(2, "x")]), FormatError, /found 0 graphs, expected one/],
    ["two graphs", joined([modelProto(), message(7)]), FormatError, /found 2 graphs/],
    [
      "a graph that is a number",
      joined([whole(1, 8), bytes(2, "x"), whole(7, 1)]),
      FormatError,
      /found a number, expected a message/,
    ],
    [
      "a negative size",
      modelProto(initializer(tensorProto("w", FLOAT, [-1, 2], numbers(2)))),
      FormatError,
      /has the shape \[-1, 2\]/,
    ],
    [
      "sizes whose product overflows",
      modelProto(initializer(tensorProto("w", FLOAT, [big, big, 4], numbers(1)))),
      FormatError,
      /has the shape/,
    ],
    [
      "a size of more than the file has",
      modelProto(initializer(tensorProto("w", FLOAT, [2 ** 40], numbers(1)))),
      FormatError,
      /has 4 bytes, expected 4398046511104/,
    ],
    [
      "a list that claims more",
      modelProto(initializer(tensorProto("w", 7, [2 ** 40], bytes(7, varint(3))))),
      UnsupportedError,
      /a list of packed numbers that takes 8796093022208 bytes/,
    ],
    [
      "a list that is too short",
      modelProto(initializer(tensorProto("w", 7, [3], bytes(7, varint(3))))),
      FormatError,
      /a list of other numbers than I64 \[3\]/,
    ],
    [
      "a list that is too long",
      modelProto(initializer(tensorProto("w", 7, [1], bytes(7, joined([varint(3), varint(4)]))))),
      FormatError,
      /a list of other numbers than/,
    ],
    [
      "a list cut inside a number",
      modelProto(initializer(tensorProto("w", 7, [1], bytes(7, Uint8Array.of(0x80))))),
      FormatError,
      /a list of other numbers than/,
    ],
    [
      "a list that unpacks to eight times its size",
      modelProto(initializer(tensorProto("w", 7, [3 << 20], bytes(7, new Uint8Array(3 << 20))))),
      UnsupportedError,
      /takes 25165824 bytes, expected raw data/,
    ],
    [
      "floats of whole numbers",
      modelProto(initializer(tensorProto("w", FLOAT, [1], bytes(7, varint(1))))),
      UnsupportedError,
      /is a list of F32/,
    ],
    [
      "numbers in two places",
      modelProto(initializer(tensorProto("w", FLOAT, [1], numbers(1), bytes(4, new Uint8Array(4))))),
      FormatError,
      /its numbers in two places/,
    ],
    [
      "hundreds of axes",
      modelProto(initializer(tensorProto("w", FLOAT, Array(100).fill(1), numbers(1)))),
      FormatError,
      /more than 16 axes/,
    ],
    [
      "a data type of no number",
      modelProto(initializer(tensorProto("w", 99, [1], numbers(1)))),
      UnsupportedError,
      /is of data type 99/,
    ],
    [
      "eight-bit numbers",
      modelProto(initializer(tensorProto("w", 3, [1], bytes(9, "x")))),
      UnsupportedError,
      /is I8, expected/,
    ],
    [
      "one name for two tensors",
      modelProto(
        initializer(tensorProto("w", FLOAT, [1], numbers(1))),
        initializer(tensorProto("w", FLOAT, [1], numbers(1))),
      ),
      FormatError,
      /two tensors named "w"/,
    ],
    ["a sparse initializer", modelProto(message(15)), UnsupportedError, /a sparse initializer/],
    [
      "a sparse constant",
      modelProto(message(1, bytes(2, "w"), bytes(4, "Constant"), message(5, bytes(1, "sparse_value"), message(22)))),
      UnsupportedError,
      /a sparse constant/,
    ],
    [
      "millions of empty fields",
      joined([whole(1, 8), bytes(2, "x"), new Uint8Array(4 << 20).map((_, i) => (i % 2 ? 0 : 0x32))]),
      FormatError,
      /more than 1048576 fields/,
    ],
  ])("%s: a typed error", async (_, file, kind, problem) => {
    await writeFile(join(folder, "hostile.onnx"), file);
    for (const source of [join(folder, "hostile.onnx"), new Blob([new Uint8Array(file)])]) {
      await expect(readWeights(source)).rejects.toThrow(kind);
      await expect(readWeights(source)).rejects.toThrow(problem);
    }
  });

  const COUNT = 19_000;
  const graphNode = (operator: string, inputs: readonly string[], output: string, ...attributes: Uint8Array[]) =>
    message(1, ...inputs.map((input) => bytes(1, input)), bytes(2, output), bytes(4, operator), ...attributes);
  const chain = (operator: string, begin: string, ...attributes: Uint8Array[]) =>
    Array.from({ length: COUNT }, (_, i) => graphNode(operator, [i === 0 ? begin : `${i - 1}`], `${i}`, ...attributes));
  const value = (field: number, name: string) => message(field, bytes(1, name));
  const kernel = initializer(tensorProto("w", FLOAT, [4, 3, 7, 7], numbers(588)));

  it.each<[what: string, nodes: readonly Uint8Array[]]>([
    ["transposes of a weight", chain("Transpose", "w")],
    ["more and more axes of a weight", chain("Unsqueeze", "w", message(5, bytes(1, "axes"), whole(8, 0), whole(8, 1)))],
    ["softmaxes", [graphNode("Conv", ["x", "w"], "c"), ...chain("Softmax", "c")]],
    ["reshapes", [graphNode("GlobalAveragePool", ["x"], "c"), ...chain("Reshape", "c")]],
    ["convolutions of one image", Array.from({ length: COUNT }, (_, i) => graphNode("Conv", ["x", "w"], `${i}`))],
    [
      "readers of one convolution",
      [
        graphNode("Conv", ["x", "w"], "c"),
        ...Array.from({ length: COUNT }, (_, i) => graphNode("Relu", ["c"], `${i}`)),
      ],
    ],
  ])("19,000 %s: followed in linear time, to a typed error", async (_, nodes) => {
    const { graph } = await readWeights(modelProto(kernel, value(11, "x"), value(12, `${COUNT - 1}`), joined(nodes)));
    expect(() => graph!.fit(graphOf(basic))).toThrow(UnsupportedError);
  });

  it("tens of thousands of nodes or tensors are more than a network has", async () => {
    const nodes = Array.from({ length: 20_002 }, (_, i) => graphNode("Relu", [], `${i}`));
    await expect(readWeights(modelProto(joined(nodes)))).rejects.toThrow("found more than 20000 nodes");
    const tensors = Array.from({ length: 10_001 }, (_, i) => initializer(tensorProto(`${i}`, FLOAT, [0])));
    await expect(readWeights(modelProto(...tensors))).rejects.toThrow("found more than 10000 tensors");
  });

  it("nodes that read themselves, one another, and nothing", async () => {
    const node = (operator: string, inputs: readonly string[], output: string) =>
      message(1, ...inputs.map((input) => bytes(1, input)), bytes(2, output), bytes(4, operator));
    const info = (field: number, name: string) => message(field, bytes(1, name));
    const nodes = [
      node("Relu", ["a"], "a"),
      node("Add", ["c", "x"], "b"),
      node("Add", ["b", "x"], "c"),
      node("Relu", [], ""),
    ];
    const { graph } = await readWeights(modelProto(...nodes, info(11, "x"), info(12, "c")));
    expect(() => graph!.fit(graphOf(basic))).toThrow(ResidualError);
  });
});
