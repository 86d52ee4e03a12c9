import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { tensor, tensorOf } from "@residual/core";
import { encodeSafetensors, readWeights, writeSafetensors } from "@residual/weights";
import { describe, expect, it } from "vitest";
import { temporaryFolder } from "../testing/folder.ts";
import { document, root, shippedFile as shipped, succeed } from "../testing/residual.ts";

const folder = temporaryFolder();

interface Inspection {
  readonly format: string;
  readonly scheme: string;
  readonly model: string | null;
  readonly preprocessing: string;
  readonly models: readonly string[];
  readonly tensors: readonly { readonly name: string; readonly [key: string]: unknown }[];
  readonly metadata: Readonly<Record<string, string>>;
  readonly problems: readonly string[];
}

async function inspected(tensors: Parameters<typeof encodeSafetensors>[0], metadata = {}): Promise<Inspection> {
  const file = folder.in(`${crypto.randomUUID()}.safetensors`);
  await writeFile(file, Buffer.concat(encodeSafetensors(tensors, metadata)));
  return document(["inspect", file]);
}

describe("inspect", () => {
  it("tells format, names, model and numbers of the weights that ship", async () => {
    const found = await document<Inspection>(["inspect", shipped]);
    expect(found).toMatchObject({
      format: "safetensors",
      scheme: "torchvision",
      model: "cifar_resnet20",
      problems: [],
    });
    expect(found.models).toContain("cifar_resnet20");
    expect(found.tensors.find(({ name }) => name === "conv1.weight")).toMatchObject({
      dtype: "float32",
      shape: [16, 3, 3, 3],
      nonFinite: 0,
    });
    const { stdout } = await succeed(["inspect", shipped]);
    expect(stdout).toMatch(/^format +safetensors$/m);
    expect(stdout).toMatch(/no problems/);
    expect(Math.max(...stdout.split("\n").map((line) => line.length))).toBeLessThanOrEqual(80);
  });

  it("knows a model by shapes, in weights that say nothing, and dtypes as they are stored", async () => {
    const { tensors } = await document<Inspection>(["inspect", shipped]);
    const bare = Object.fromEntries(
      tensors.map(({ name, shape }) => [
        `module.${name}`,
        tensorOf(
          "float64",
          shape as number[],
          new Float64Array((shape as number[]).reduce((a, b) => a * b, 1)).fill(1),
        ),
      ]),
    );
    const found = await inspected(bare);
    expect(found).toMatchObject({ model: "cifar_resnet20", problems: [] });
    expect(new Set(found.tensors.map(({ dtype }) => dtype))).toEqual(new Set(["float64"]));
    expect(found.tensors[0]!.name).toMatch(/^module\./);
  });

  it.each([
    ["resnet18", "graph"],
    ["cifar_resnet20", "resnet20.onnx"],
  ])("looks at the parameters of %s in %s, not at other constants of its graph", async (model, name) => {
    const to = folder.in(name);
    await succeed(["export", model, "--weights", "fixture:v1", "--to", to]);
    const found = await document<Inspection>(["inspect", to]);
    expect(found).toMatchObject({ model, problems: [] });
    expect(new Set(found.tensors.map(({ dtype }) => dtype))).toEqual(new Set(["float32"]));
  });

  it("tells the model of a Keras file by its graph, and its layers for pictures as preprocessing", async () => {
    const file = join(root, "packages/weights/src/keras/fixtures/networks/resnet8.keras");
    const found = await document<Inspection>(["inspect", file]);
    expect(found).toMatchObject({
      format: "Keras",
      scheme: "keras-numbered",
      model: "mlperf_tiny_resnet8",
      problems: [],
    });
    expect(found.preprocessing).toMatch(/ \/ 1, mean 125 120 115, std 60 50 40: colours by the file's norm, the rest /);
    expect(found.tensors[0]!.name).toBe("conv2d/kernel");
  });

  it("tells what layers do to pictures that no preprocessing does", async () => {
    const layers = [
      { class_name: "Normalization", config: { name: "norm", mean: 1, variance: 4, invert: true } },
      { class_name: "Conv2D", config: { name: "conv" } },
    ];
    const { tensors } = await readWeights(shipped);
    const file = folder.in("inverted.safetensors");
    await writeSafetensors(file, tensors, { "keras.config": JSON.stringify({ config: { layers } }) });
    const { problems } = await document<Inspection>(["inspect", file]);
    expect(problems).toContainEqual(
      expect.stringMatching(/its layer norm is a Normalization with invert: true, which/),
    );
    expect(problems).toContainEqual(expect.stringMatching(/^its graph fits no known model/));
  });

  it("has the statistics of numbers, worked out by hand", async () => {
    const { tensors } = await inspected({ a: tensor([4], [1, 2, 3, 6]), empty: tensor([0], []) });
    // mean 3; squares of the differences 4, 1, 0, 9: their mean is 3.5
    expect(tensors).toEqual([
      { name: "a", dtype: "float32", shape: [4], min: 1, max: 6, mean: 3, std: Math.sqrt(3.5), nonFinite: 0 },
      { name: "empty", dtype: "float32", shape: [0], min: null, max: null, mean: null, std: null, nonFinite: 0 },
    ]);
  });

  it("names what is wrong: NaN, a negative variance, no model, metadata that lie", async () => {
    const found = await inspected(
      { "bn1.running_var": tensor([2], [1, -1]), "x.weight": tensor([3], [NaN, 1, Infinity]), y: tensor([1], [NaN]) },
      { model: "resnet51", preprocessing: "{" },
    );
    expect(found.model).toBeNull();
    expect(found.problems).toEqual([
      "bn1.running_var is a variance, and has -1",
      "x.weight has 2 numbers that are NaN or infinite",
      "y has 1 number that is NaN or infinite",
      expect.stringMatching(/^its tensors fit no known model/),
      "it says that it is for resnet51, an unknown model",
      expect.stringMatching(/preprocessing/),
    ]);
  });
});
