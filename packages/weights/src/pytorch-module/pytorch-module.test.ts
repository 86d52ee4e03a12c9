import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import {
  type Graph,
  graph,
  input,
  type ModelName,
  modelNames,
  named,
  ops,
  parameter,
  parametersOf,
  type ResNetSpec,
  resnet,
  select,
  UnsupportedError,
  type Value,
  variants,
} from "@residual/core";
import { describe, expect, it } from "vitest";
import { pyTorchModule } from "./index.ts";

/** The classes of a text, without what is around them. */
const classesOf = (text: string) => text.slice(text.indexOf("\nclass "), text.indexOf("\ndef load("));

const checked = new URL("../../../../conformance/golden/modules.json", import.meta.url);

/** The names of modules that have parameters, without numbers in sequences. */
function modulesIn(name: ModelName): ReadonlySet<string> {
  const modules = parametersOf(resnet(variants[name])).map((each) => each.name.split(".").at(-2)!);
  return new Set(modules.filter((module) => !/^\d+$/.test(module)));
}

const textOf = (name: ModelName) =>
  pyTorchModule(resnet(variants[name], { name }), {
    preprocessing: (variants[name] as ResNetSpec).preprocessing,
  });

describe("the text", () => {
  it.each([
    "resnet18",
    "resnext50_32x4d",
    "seresnext26d_32x4d",
    "keras_resnet50v2",
    "mlperf_tiny_resnet8",
    "cifar_resnet20",
    "cifar_preact20_proj",
    "paddle_unit_s2",
  ] as const)("of %s is as it was when PyTorch ran it", async (name) => {
    await expect(textOf(name)).toMatchFileSnapshot(`fixtures/${name}.py`);
  });

  it("of every model is one that PyTorch ran, with the recorded answers (conformance/golden/make --check-modules)", () => {
    const recorded = JSON.parse(readFileSync(checked, "utf8")) as { models: Record<string, { sha256: string }> };
    expect(Object.keys(recorded.models)).toEqual(modelNames);
    for (const name of modelNames) {
      const text = textOf(name);
      expect(createHash("sha256").update(text).digest("hex"), name).toBe(recorded.models[name]!.sha256);
      expect(Math.max(...text.split("\n").map((line) => line.length)), name).toBeLessThanOrEqual(88);
      expect(text.length, name).toBeLessThan(14_000); // blocks are written once, in the deepest network too
      expect(
        [...modulesIn(name)].filter((module) => !text.includes(`self.${module} = `)),
        name,
      ).toEqual([]);
    }
  });

  it("is the same for a graph of another batch and size, but for windows of TensorFlow", () => {
    const spec = variants.resnet50d;
    const text = pyTorchModule(resnet(spec, { name: "resnet50d", input: [4, 3, 97, 131] }));
    expect(text).toBe(pyTorchModule(resnet(spec, { name: "resnet50d" })));
    const keras = variants.keras_tutorial_resnet;
    const odd = pyTorchModule(resnet(keras, { name: "k", input: [1, 3, 75, 102] }));
    expect(odd).toBe(pyTorchModule(resnet(keras, { name: "k" })));
  });

  it("writes numbers that are no share of others as arguments", () => {
    const spec: ResNetSpec = { block: "bottleneck", depths: [1, 1], width: [8, 12], widthPerGroup: 24, size: 32 };
    const text = classesOf(pyTorchModule(resnet(spec)));
    expect(text).toContain("def __init__(self, inputs, outputs, width, stride=1):");
    expect(text).toContain("Bottleneck(8, 32, 3)");
    expect(text).toContain("Bottleneck(32, 48, 4, stride=2)");
  });

  it("has no place for what a file's metadata say", () => {
    const name = '"""\nimport os; os.system("true")\n"""';
    const text = pyTorchModule(resnet(variants.resnet18, { name }), { weights: '"""+exit()+""".safetensors' });
    expect(text).not.toContain("import os");
    expect(text).toContain('WEIGHTS = Path(__file__).with_name("\\"\\"\\"+exit()+\\"\\"\\".safetensors")');
    expect(text.match(/"""\+exit/)).toBeNull();
  });
});

describe("what is refused, with the way out", () => {
  const image = input("image", ["N", 3, 8, 8]);
  const conv = (x: Value, name: string, outputs = 3, options: object = {}) => {
    const weight = parameter(`${name}.weight`, [outputs, x.shape[1] as number, 3, 3]);
    return named(name, ops.conv2d({ x, weight }, { padding: 1, ...options }));
  };
  const of = (output: Value, inputs: Graph["inputs"] = { image }) =>
    graph({ name: "mine", inputs, outputs: { output } });
  const pads = { stride: 2, padding: [0, 0, 1, 1] };

  it.each<[string, () => Graph, RegExp]>([
    [
      "two outputs",
      () => select(resnet(variants.resnet18), ["layer1", "layer2"]),
      /has the outputs layer1, layer2; a PyTorch module has one: select\(graph, \["layer1"\]\)/,
    ],
    ["an output without a node", () => of(image), /has the outputs output/],
    [
      "an op that no residual network has",
      () => of(named("out", ops.logSoftmax({ x: named("flat", ops.flatten({ x: conv(image, "conv1") })) }))),
      /out is a logSoftmax, which this export has no PyTorch code for; export \.onnx instead/,
    ],
    [
      "two images",
      () => {
        const other = input("other", ["N", 3, 8, 8]);
        return of(named("sum", ops.add({ a: image, b: other })), { image, other });
      },
      /reads 2 values and gives 1, expected one of each/,
    ],
    [
      "a block that two values come out of",
      () => {
        const first = conv(image, "block.conv1");
        return of(named("sum", ops.add({ a: first, b: conv(first, "block.conv2") })));
      },
      /block reads 1 values and gives 2/,
    ],
    [
      "a parameter under another name",
      () => of(named("conv1", ops.conv2d({ x: image, weight: parameter("kernel", [3, 3, 3, 3]) }))),
      /conv1 reads the parameter kernel, expected conv1\.weight/,
    ],
    [
      "a name that Python keeps for itself",
      () => of(conv(image, "block.class")),
      /"block\.class" is no name of a PyTorch/,
    ],
    ["a name that modules have a meaning for", () => of(conv(image, "forward")), /"forward" is no name/],
    ["a name that is none", () => of(conv(image, "a b")), /"a b" is no name of a PyTorch module; rename it/],
    [
      "a layer with the name of others",
      () => of(conv(conv(image, "a.b"), "a")),
      /a is both a layer and the name of others/,
    ],
    [
      "padding of one side that is not TensorFlow's",
      () => of(conv(image, "conv1", 3, { stride: 2, padding: [1, 1, 0, 0] })),
      /conv1 pads 1, 1, 0, 0 pixels at top, left, bottom and right, beside others/,
    ],
    [
      "TensorFlow's padding beside another",
      () => of(conv(conv(image, "conv1", 3, pads), "conv2", 3, { padding: 0 })),
      /conv2 pads 0, 0, 0, 0 pixels .* TensorFlow's 'same'/,
    ],
    [
      "numbers that are no row",
      () => of(named("n.1", ops.add({ a: conv(image, "n.0"), b: image }))),
      /n is numbered like a sequence of modules, and is none/,
    ],
    [
      "a stride of two numbers",
      () => of(named("part", ops.subsample({ x: conv(image, "conv1") }, { stride: [1, 2] }))),
      /a stride of 1 down and 2 right/,
    ],
  ])("%s", (_, make, message) => {
    expect(() => pyTorchModule(make())).toThrow(UnsupportedError);
    expect(() => pyTorchModule(make())).toThrow(message);
  });
});
