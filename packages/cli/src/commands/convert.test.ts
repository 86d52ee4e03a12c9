import { copyFile, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fixtureWeights, type NamedSource, type ResNetSpec, readTensor, resnet, tensor } from "@residual/core";
import { encodeSafetensors, readWeights, writeSafetensors } from "@residual/weights";
import { describe, expect, it } from "vitest";
import { temporaryFolder } from "../testing/folder.ts";
import { document, photo, residual, root, shippedFile as shipped, succeed } from "../testing/residual.ts";

const folder = temporaryFolder();
const keras = (name: string): string => join(root, "packages/weights/src/keras/fixtures/networks", name);

async function probabilities(weights: string): Promise<readonly number[]> {
  const words = ["classify", photo("chelsea.png"), "--weights", weights, "--top", "10"];
  const [found] = await document<readonly { predictions: readonly { index: number; probability: number }[] }[]>(words);
  return found!.predictions.toSorted((a, b) => a.index - b.index).map(({ probability }) => probability);
}

describe("convert", () => {
  it.each(["weights.safetensors", "weights.pth", "weights.npz", "weights.onnx"])(
    "to %s and back gives the same bits and answers",
    async (name) => {
      const there = folder.in(name);
      expect(await document(["convert", shipped, there])).toMatchObject({ to: there, model: "cifar_resnet20" });
      const back = folder.in(`${name}.safetensors`);
      await succeed(["convert", there, back]);
      expect(await document(["diff", shipped, back])).toMatchObject({ identical: true, model: "cifar_resnet20" });
      const [before, after] = await Promise.all(
        [shipped, back].map((weights) => document(["classify", photo("chelsea.png"), "--weights", weights])),
      );
      expect(after).toEqual(before);
      const { metadata } = await readWeights(back);
      expect(metadata.guessed).toBeUndefined();
      expect(JSON.parse(metadata.classes!)).toHaveLength(10);
      expect(JSON.parse(metadata.preprocessing!)).toMatchObject({ crop: 32 });
    },
  );

  it("to .pth writes a whole state_dict of PyTorch, with a counter of int64 for each norm", async () => {
    await succeed(["convert", shipped, folder.in("state.pth")]);
    const { tensors } = await readWeights(folder.in("state.pth"));
    const names = [...tensors.keys()];
    expect(names.slice(0, 7)).toEqual([
      "conv1.weight",
      ...["weight", "bias", "running_mean", "running_var", "num_batches_tracked"].map((field) => `bn1.${field}`),
      "layer1.0.conv1.weight",
    ]);
    const counters = names.filter((name) => name.endsWith(".num_batches_tracked"));
    expect(counters).toHaveLength(19);
    for (const name of counters) expect(tensors.get(name)).toMatchObject({ dtype: "int64", shape: [] });
  });

  it.each(["a.safetensors", "a.pth", "a.npz", "a.onnx", "a"])("to %s keeps a guess a guess", async (name) => {
    const [from, there] = [folder.in("mine.safetensors"), folder.in(`guessed ${name}`)];
    const tensors = new Map<string, NamedSource>((await readWeights(shipped)).tensors);
    tensors.set("fc.bias", tensor([10], [1, 2, 3, 4, 5, 6, 7, 8, 9, 10])); // known weights are told by their numbers
    await writeSafetensors(from, tensors, { model: "cifar_resnet20", activation: "linear" });
    expect((await succeed(["convert", from, there])).stderr).toMatch(
      /preprocessing is guessed: .*labels are guessed: /s,
    );
    const { metadata } = await readWeights(there);
    expect(metadata).toMatchObject({ guessed: "preprocessing,classes", activation: "linear" });
    expect(JSON.parse(metadata.classes!)).toHaveLength(10);
    const { stderr } = await succeed(["convert", there, folder.in("again.npz")]);
    const words = stderr.replace(/\s+/g, " ");
    expect(words).toContain("preprocessing is guessed: that in ");
    expect(words).toContain("labels are guessed: those in ");
    expect((await readWeights(folder.in("again.npz"))).metadata.guessed).toBe("preprocessing,classes");
  });

  it.each(["e.safetensors", "e.pth", "e.npz", "e.onnx", "e"])(
    "to %s keeps the epsilon of a Keras file's norms, and what its layers do to pictures",
    async (name) => {
      const [from, there] = [keras("resnet8.keras"), folder.in(name)];
      await succeed(["convert", from, there]);
      const { metadata, epsilon } = await readWeights(there);
      expect(JSON.parse(metadata.preprocessing!)).toMatchObject({ crop: 32, scale: 1 });
      if (!/^e(\.onnx)?$/.test(name)) expect(epsilon).toBe(1e-4); // the others fold it into convolutions
      const [before, after] = await Promise.all([from, there].map((weights) => probabilities(weights)));
      for (const [i, each] of after!.entries()) expect(each).toBeCloseTo(before![i]!, 5);
    },
  );

  it.each(["s.safetensors", "s.pth", "s.npz", "s.onnx", "s"])(
    "to %s keeps a structure that has no name",
    async (name) => {
      const spec: ResNetSpec = { block: "basic", depths: [1, 1], width: [8, 12], stem: "cifar", classes: 3 };
      const [from, there] = [folder.in("structure.safetensors"), folder.in(name)];
      await writeSafetensors(from, fixtureWeights(resnet(spec), "v1").tensors, { spec: JSON.stringify(spec) });
      await succeed(["convert", from, there]);
      expect(JSON.parse((await readWeights(there)).metadata.spec!)).toEqual(spec);
      await succeed(["convert", there, folder.in(`${name}.npz`)]);
      expect(await document(["diff", folder.in(`${name}.npz`), from])).toMatchObject(
        name === "s" ? {} : { identical: true },
      );
    },
  );

  it("to a graph model folds norms, says so, and gives the same answers up to rounding", async () => {
    const there = folder.in("graph");
    const { stderr } = await succeed(["convert", shipped, there]);
    expect(stderr).toContain("norms are folded into convolutions");
    const answers = await Promise.all(
      [shipped, there].map((weights) =>
        document<readonly { predictions: readonly { label: string; probability: number }[] }[]>([
          "classify",
          photo("chelsea.png"),
          "--weights",
          weights,
        ]),
      ),
    );
    const [before, after] = answers.map(([answer]) => answer!.predictions);
    expect(after!.map(({ label }) => label)).toEqual(before!.map(({ label }) => label));
    for (const [i, { probability }] of after!.entries()) expect(probability).toBeCloseTo(before![i]!.probability, 5);
  });

  describe.each<[string, (tensors: Map<string, NamedSource>) => void]>([
    [
      "5 classes",
      (tensors) => {
        tensors.set(
          "fc.weight",
          tensor(
            [5, 64],
            Array.from({ length: 320 }, (_, i) => Math.sin(i)),
          ),
        );
        tensors.set("fc.bias", tensor([5], [1, 2, 3, 4, 5]));
      },
    ],
    [
      "1 input channel",
      (tensors) =>
        tensors.set(
          "conv1.weight",
          tensor(
            [16, 1, 3, 3],
            Array.from({ length: 144 }, (_, i) => Math.sin(i)),
          ),
        ),
    ],
    [
      "no last layer",
      (tensors) => {
        for (const name of ["fc.weight", "fc.bias"]) tensors.delete(name);
      },
    ],
  ])("weights with %s", (what, change) => {
    it.each(["a.safetensors", "a.pth", "a.npz", "a.onnx", "a"])("are read back from %s", async (name) => {
      const weights = await readWeights(shipped);
      const tensors = new Map<string, NamedSource>(weights.tensors);
      change(tensors);
      const [from, there, back] = ["from.safetensors", name, "back.safetensors"].map((each) =>
        folder.in(`${what} ${each}`),
      );
      await writeSafetensors(from!, tensors, { model: "cifar_resnet20" });
      await succeed(["convert", from!, there!]);
      await succeed(["convert", there!, back!]);
      const found = (await readWeights(back!)).tensors;
      expect([...found.keys()].toSorted()).toEqual([...tensors.keys()].toSorted());
      for (const [key, source] of tensors) expect([key, found.get(key)!.shape]).toEqual([key, source.shape]);
      // a graph model has its norms folded in, and its last layer as it is
      const exact = name === "a" ? [...tensors].filter(([key]) => key.startsWith("fc.")) : tensors;
      for (const [key, source] of exact) expect(await readTensor(found.get(key)!)).toEqual(await readTensor(source));
    });
  });

  it("takes one of two sets of weights by --prefix, as the other commands do", async () => {
    const { tensors } = await readWeights(shipped);
    const [from, to, out] = ["two.safetensors", "teacher.safetensors", "out.safetensors"].map((name) =>
      folder.in(name),
    );
    const student = [...tensors].map(([name, source]) => [`student.${name}`, source] as const);
    const teacher = [...tensors].map(([name, source]) => [`teacher.${name}`, source] as const);
    await writeSafetensors(from!, new Map([...student, ...teacher]));
    const named = /under the names "student\." and "teacher\."; choose one with `prefix`, as "student\."/;
    const picture = photo("chelsea.png");
    const weights = ["--weights", from!, "--json"];
    for (const words of [
      ["classify", picture, ...weights],
      ["run", "cifar_resnet20", ...weights, "--input", picture, "--out", out!],
      ["export", "cifar_resnet20", ...weights, "--to", to!],
      ["convert", from!, to!, "--model", "cifar_resnet20"],
    ]) {
      const refused = await residual(words);
      expect([refused.code, refused.stderr]).toEqual([1, expect.stringMatching(named)]);
      await succeed([...words, "--prefix", "teacher."]);
    }
    expect(await document(["inspect", from!])).toMatchObject({ problems: [expect.stringMatching(named)] });
    expect(await document(["inspect", from!, "--prefix", "teacher"])).toMatchObject({
      model: "cifar_resnet20",
      problems: [],
    });
    expect(await document(["diff", shipped, to!])).toMatchObject({ identical: true });
  });

  it("keeps the names of tensors that fit no model, and says so", async () => {
    const [from, to] = [folder.in("other.safetensors"), folder.in("copy.safetensors")];
    await writeFile(from, Buffer.concat(encodeSafetensors({ "head.w": tensor([2], [1, 2]) }, { author: "Ada" })));
    const { stderr } = await succeed(["convert", from, to]);
    expect(stderr).toContain("fits no known model: its tensors keep their names");
    const { tensors, metadata } = await readWeights(to);
    expect([...tensors]).toEqual([["head.w", tensor([2], [1, 2])]]);
    expect(metadata).toEqual({ author: "Ada" });
    expect(await residual(["convert", from, folder.in("no.onnx")])).toMatchObject({ code: 1 });
  });

  it.each([
    [["a.safetensors", "a.bin"], /ends in \.bin; expected \.safetensors, .*\.onnx, \.py, or no ending/],
    [["a.safetensors", "a.py"], /a\.safetensors is the file to be read, and a\.py would have its weights there/],
    [["a.safetensors", "a.safetensors"], /is the file to be read; give another path/],
    [["a.safetensors", "b.safetensors", "--model", "resnet51"], /resnet50|resnet101/],
    [["a.safetensors", "b.safetensors", "--quantize", "uint8"], /--quantize and --engine go with a folder/],
  ])("%j is invalid usage, and nothing is written", async (words, message) => {
    await copyFile(shipped, folder.in("a.safetensors"));
    const before = await readdir(folder.path);
    const { code, stderr } = await residual(["convert", ...words], { cwd: folder.path });
    expect(stderr).toMatch(message);
    expect(code).toBe(2);
    expect(await readdir(folder.path)).toEqual(before);
  });
});
