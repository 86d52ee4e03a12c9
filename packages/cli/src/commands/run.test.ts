import { writeFile } from "node:fs/promises";
import { type Tensor, tensorOf } from "@residual/core";
import { readTensors, readWeights, writeSafetensors } from "@residual/weights";
import { beforeAll, describe, expect, it } from "vitest";
import { temporaryFolder } from "../testing/folder.ts";
import { expectNear, golden, largest } from "../testing/golden.ts";
import { document, photo, residual, succeed } from "../testing/residual.ts";

interface Golden {
  readonly input: { readonly shape: readonly number[] };
  readonly activations?: {
    readonly [stage: string]: {
      readonly shape: readonly number[];
      readonly min: number;
      readonly max: number;
      readonly samples: readonly number[];
    };
  };
  readonly logits?: { readonly shape: readonly number[]; readonly values: readonly number[] };
  readonly output?: { readonly shape: readonly number[]; readonly values: readonly number[] };
  readonly fp32: { readonly [stage: string]: { readonly relToMax: number } };
}

const folder = temporaryFolder();
const fixture = ["--weights", "fixture:v1", "--input", "fixture:v1"];
const trained = ["--weights", "resnet20-cifar10"];

async function outputsOf(...words: string[]): Promise<ReadonlyMap<string, Tensor>> {
  const out = folder.in(`${crypto.randomUUID()}.safetensors`);
  await succeed(["run", ...words, "--out", out]);
  return (await readTensors(await readWeights(out))).tensors;
}

/** Of the largest value: float64 against float64, and ten times what torch's own float32 run was off by. */
const boundOf = (backend: string, { fp32 }: Golden, name: string): number =>
  backend === "reference" ? 1e-10 : 10 * fp32[name]!.relToMax;

describe("gives PyTorch's answers", () => {
  const ids = ["seed000_block_s2_2x8x8x8", "seed003_block_s1_id_2x8x7x6", "cifar_resnet20_4x3x32x32"];
  it.each(ids.flatMap((id) => ["reference", "onnx"].map((backend) => [id, backend] as const)))(
    "%s on %s",
    async (id, backend) => {
      const recorded = golden<Golden>(`infer/${id}.json`);
      const [, model, shape] = /^(.*)_(\d+x\d+x\d+x\d+)$/.exec(id)!;
      const whole = recorded.logits ? "logits" : "output";
      const names = [...Object.keys(recorded.activations ?? {}), whole];
      const words = [model!, ...fixture, "--shape", shape!, "--backend", backend, "--outputs", names.join(",")];
      const found = await outputsOf(...words);
      expect([...found.keys()].toSorted()).toEqual(names.toSorted());
      const { shape: expectedShape, values } = recorded[whole]!;
      expect(found.get(whole)!.shape).toEqual(expectedShape);
      expect(found.get(whole)!.dtype).toBe(backend === "reference" ? "float64" : "float32");
      expectNear(numbersOf(found.get(whole)!), values, boundOf(backend, recorded, whole));
      for (const [stage, { shape, samples, min, max }] of Object.entries(recorded.activations ?? {})) {
        const tensor = found.get(stage)!;
        expect(tensor.shape).toEqual(shape);
        const data = numbersOf(tensor);
        const taken = samples.map((_, k) => data[(k * 1000003) % data.length]!);
        expectNear(taken, samples, boundOf(backend, recorded, stage), largest([min, max]));
      }
    },
  );
});

const numbersOf = ({ data }: Tensor): readonly number[] => Array.from(data as Float32Array);

describe("outputs", () => {
  it("may be class activation maps", async () => {
    const found = await outputsOf("cifar_resnet20", ...fixture, "--outputs", "cam,logits");
    expect(found.get("cam")!.shape).toEqual([1, 10, 8, 8]);
  });

  it("are the model's own where none are named, with both of a softmax's sides", async () => {
    const found = await outputsOf("mlperf_tiny_resnet8", ...fixture);
    expect([...found.keys()].toSorted()).toEqual(["logits", "probabilities"]);
    expect(numbersOf(found.get("probabilities")!).reduce((a, b) => a + b)).toBeCloseTo(1, 5);
  });

  it("can be any value, blanks after the commas or not, once each", async () => {
    const found = await outputsOf("cifar_resnet20", ...fixture, "--outputs", "layer1.0.relu, avgpool,logits,logits");
    expect([...found.keys()].toSorted()).toEqual(["avgpool", "layer1.0.relu", "logits"]);
    expect(found.get("layer1.0.relu")!.shape).toEqual([1, 16, 32, 32]);
  });
});

describe("inputs", () => {
  it("agree: a picture, and the tensor that preprocess makes of it", async () => {
    const tensor = folder.in("chelsea.safetensors");
    await succeed(["preprocess", photo("chelsea.png"), "--out", tensor]);
    const words = ["cifar_resnet20", ...trained, "--backend", "onnx", "--outputs", "logits,layer2", "--input"];
    const [picture, file] = [await outputsOf(...words, photo("chelsea.png")), await outputsOf(...words, tensor)];
    for (const name of ["logits", "layer2"]) expect(file.get(name)!.data).toEqual(picture.get(name)!.data);
    expect(numbersOf(picture.get("logits")!).indexOf(Math.max(...numbersOf(picture.get("logits")!)))).toBe(3); // cat
  });

  it("that are pictures are made to the size that is asked for", async () => {
    const found = await outputsOf(
      "resnet18",
      "--weights",
      "fixture:v1",
      "--input",
      photo("coffee.png"),
      "--resize",
      "70",
      "--crop",
      "64",
      "--outputs",
      "layer4",
    );
    expect(found.get("layer4")!.shape).toEqual([1, 512, 2, 2]);
  });

  it("of a fixture have the model's own shape where none is given", async () => {
    expect((await outputsOf("paddle_unit_s1_proj", ...fixture)).get("output")!.shape).toEqual([1, 8, 8, 8]);
  });

  it("of an array of NumPy are those of the same tensor", async () => {
    const data = Float32Array.from({ length: 3 * 32 * 32 }, (_, i) => Math.sin(i));
    const image = tensorOf("float32", [1, 3, 32, 32], data);
    await writeSafetensors(folder.in("same.safetensors"), { image });
    const header = "{'descr': '<f4', 'fortran_order': False, 'shape': (1, 3, 32, 32), }".padEnd(117);
    const start = Buffer.from(`\x93NUMPY\x01\0\x76\0${header}\n`, "latin1");
    await writeFile(folder.in("same.npy"), Buffer.concat([start, new Uint8Array(data.buffer)]));
    const [expected, found] = await Promise.all(
      ["same.safetensors", "same.npy"].map((file) =>
        outputsOf("cifar_resnet20", ...trained, "--input", folder.in(file)),
      ),
    );
    expect(found!.get("logits")).toEqual(expected!.get("logits"));
  });

  describe("that are refused", () => {
    const one = (dtype: "float32" | "float64", shape: readonly number[]) =>
      dtype === "float32"
        ? tensorOf("float32", shape, new Float32Array(3 * 32 * 32))
        : tensorOf("float64", shape, new Float64Array(3 * 32 * 32));

    beforeAll(async () => {
      await writeSafetensors(folder.in("name.safetensors"), { picture: one("float32", [1, 3, 32, 32]) });
      await writeSafetensors(folder.in("dtype.safetensors"), { image: one("float64", [1, 3, 32, 32]) });
      await writeSafetensors(folder.in("rank.safetensors"), { image: one("float32", [3, 32, 32]) });
      const images = { layout: [2, 32, 32, 3], grey: [2, 1, 32, 32], rgba: [2, 4, 32, 32], five: [2, 5, 32, 32] };
      for (const [name, shape] of Object.entries(images)) {
        const image = tensorOf("float32", shape, new Float32Array(shape.reduce((a, b) => a * b)));
        await writeSafetensors(folder.in(`${name}.safetensors`), { image });
      }
      await writeSafetensors(folder.in("good.safetensors"), { image: one("float32", [1, 3, 32, 32]) });
    });

    it.each([
      ["name", /^FormatError: .*it holds picture; expected a float32 tensor image \[N, C, H, W\]/],
      ["dtype", /^FormatError: .*image is float64 \[1, 3, 32, 32\]; expected a float32 tensor/],
      ["layout", /^FormatError: .*the image is 2×32×32×3, and cifar_resnet20 takes N×3×H×W; .* \(NHWC\): transpose it/],
      ["grey", /^FormatError: .*the image is 2×1×32×32, .*; repeat its grey channel three times$/m],
      ["rgba", /^FormatError: .*the image is 2×4×32×32, .*; leave out its fourth channel, alpha$/m],
      ["five", /^FormatError: .*the image is 2×5×32×32, .*; give an image of the model's channels$/m],
      ["rank", /^FormatError: .*image is float32 \[3, 32, 32\]; expected a float32 tensor image \[N, C, H, W\]/],
    ])("a wrong %s", async (file, message) => {
      const out = folder.in("refused.safetensors");
      const words = ["run", "cifar_resnet20", ...trained, "--input", folder.in(`${file}.safetensors`), "--out", out];
      const { stdout, stderr, code } = await residual(words);
      expect([stdout, code]).toEqual(["", 1]);
      expect(stderr).toMatch(message);
    });

    it("where the same tensor, well formed, is not", async () => {
      const found = await outputsOf("cifar_resnet20", ...trained, "--input", folder.in("good.safetensors"));
      expect(found.get("logits")!.shape).toEqual([1, 10]);
    });
  });
});

it("reports what it did", async () => {
  const out = folder.in("report.safetensors");
  const words = ["run", "cifar_resnet20", ...fixture, "--shape", "2x3x32x32", "--backend", "onnx", "--out", out];
  expect(await document(words)).toEqual({
    model: "cifar_resnet20",
    backend: "onnx",
    input: [2, 3, 32, 32],
    outputs: { logits: [2, 10] },
    out,
  });
  const { stdout, stderr } = await succeed(words);
  expect(stdout).toBe(`${out}: logits [2, 10]\n`);
  expect(stderr).toMatch(/^cifar_resnet20 on onnx \(onnxruntime-node [\d.]+\)\n$/);
  expect((await readWeights(out)).metadata).toEqual({
    model: "cifar_resnet20",
    weights: "fixture:v1",
    backend: "onnx",
  });
});

it("dumps programs of webgpu alone", async () => {
  const words = ["cifar_resnet20", ...fixture, "--backend", "reference", "--out", folder.in("none.safetensors")];
  const { code, stderr } = await residual(["run", ...words, "--dump-wgsl", folder.in("wgsl")]);
  expect([code, stderr]).toEqual([2, expect.stringContaining("add --backend webgpu")]);
});
