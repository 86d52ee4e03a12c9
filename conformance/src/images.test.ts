import { existsSync, readFileSync } from "node:fs";
import {
  type Answer,
  bind,
  constant,
  type Graph,
  type ModelName,
  named,
  ops,
  type ResNetSpec,
  resnet,
  rewrite,
  select,
  type Tensor,
  tensorOf,
  variants,
} from "@residual/core";
import {
  cifar10,
  decodeImage,
  imagenet,
  normalize,
  type Preprocessing,
  raw32,
  readCifar10,
  stack,
} from "@residual/vision";
import { findWeights, readWeights, toTorchvision } from "@residual/weights";
import { describe, expect, it } from "vitest";
import { backends } from "./backends.ts";
import { expectWithin, largest, relativeError, sumOf } from "./compare.ts";

/** Other people's weights and pictures, beside the project, never in it. */
const shared = new URL("../../../shared/", import.meta.url);
const data = new URL("data/", shared);
const missing = !existsSync(data);
if (missing) console.warn(`SKIPPED: real weights and images; ${data.pathname} is missing`);

interface Net {
  readonly name: string;
  readonly model: ModelName;
  readonly weights: string;
  readonly answers: URL;
  readonly tensor: string;
  readonly preprocessing: Preprocessing;
  readonly correct: number;
}

const recorded = new URL("cifar10/logits_first2000.safetensors", data);
/** The answers on CIFAR-10 were made with means and deviations out of float32 tensors, the trunk's with float64 numbers. */
const rounded = ({ mean, std, ...rest }: Preprocessing): Preprocessing => ({
  ...rest,
  mean: mean.map(Math.fround),
  std: std.map(Math.fround),
});
const akamaster = rounded({ ...cifar10, mean: imagenet.mean, std: imagenet.std });
const path = (file: string) => new URL(file, data).pathname;

/** How many of the 2,000 are right: data/README.md, and the card of our own weights. */
const nets: readonly Net[] = [
  ...(
    [
      [20, "12fca82f", 1834],
      [32, "d509ac18", 1854],
      [44, "014dd654", 1866],
    ] as const
  ).map(
    ([depth, hash, correct]): Net => ({
      name: `resnet${depth}`,
      model: `cifar_resnet${depth}`,
      weights: path(`weights/cifar-resnet/resnet${depth}-${hash}.safetensors`),
      answers: recorded,
      tensor: `resnet${depth}`,
      preprocessing: akamaster,
      correct,
    }),
  ),
  {
    name: "resnet8 of MLPerf Tiny",
    model: "mlperf_tiny_resnet8",
    weights: path("weights/mlperf-tiny-resnet8/pretrainedResnet.safetensors"),
    answers: recorded,
    tensor: "resnet8",
    preprocessing: raw32,
    correct: 1759,
  },
  {
    name: "our own resnet20",
    model: "cifar_resnet20",
    weights: "resnet20-cifar10",
    answers: new URL("weights/resnet20-cifar10.answers.safetensors", shared),
    tensor: "logits",
    preprocessing: rounded(cifar10),
    correct: 1791,
  },
];

/**
 * Of the largest logit: PyTorch's own float32 run is off by 2e-5 of logits up to 25 at most (margin_first2000.json), so
 * 1e-6; ten times that is allowed. The reference sums in float64, and is run on fewer images, being slower.
 */
const rows = [
  { backend: "onnx", images: 2000, bound: 1e-5 },
  { backend: "reference", images: 4, bound: 1e-10 },
] as const;

/**
 * PyTorch's answers were made from pixels that were normalized in float64. Bytes are exact in float32, so the reference is
 * given those, and a first layer that normalizes: (x − 255·mean) / √(255·std)², in its own float64.
 */
function normalizing(graph: Graph<"image">, { scale, mean, std }: Preprocessing): Graph<"image"> {
  const perChannel = (name: string, values: readonly number[]) =>
    constant(`normalize.${name}`, tensorOf("float64", [3], Float64Array.from(values)));
  const first = named(
    "normalize",
    ops.batchNorm(
      {
        x: graph.inputs.image,
        scale: perChannel("scale", [1, 1, 1]),
        shift: perChannel("shift", [0, 0, 0]),
        mean: perChannel(
          "mean",
          mean.map((value) => value * scale),
        ),
        variance: perChannel(
          "variance",
          std.map((value) => (value * scale) ** 2),
        ),
      },
      { epsilon: 0 },
    ),
  );
  return rewrite(graph, {
    conv2d: (conv) =>
      conv.inputs.x.kind === "input" ? ops.conv2d({ ...conv.inputs, x: first }, conv.attributes) : conv,
    batchNorm: (norm) =>
      norm.inputs.x.kind === "input" && norm.name !== first.name
        ? ops.batchNorm({ ...norm.inputs, x: first }, norm.attributes)
        : norm,
  });
}

/** What a row's backend is given: the reference raw bytes, any other what torchvision would normalize in float32. */
const given = (backend: string, preprocessing: Preprocessing): Preprocessing =>
  backend === "reference" ? { ...preprocessing, ...raw32 } : preprocessing;

describe.skipIf(missing).each(nets.map((net) => [net.name, net] as const))("%s", (_, net) => {
  it.each(rows)("gives PyTorch's logits on $backend", async ({ backend, images, bound }) => {
    const records = readCifar10(readFileSync(new URL("cifar10/test_first2000.bin", data))).slice(0, images);
    const image = stack(records.map(({ pixels }) => normalize(pixels, given(backend, net.preprocessing))));
    const { logits } = await run(backend, net, image, ["logits"]);
    const expected = (await readWeights(net.answers)).tensors
      .get(net.tensor)!
      .data.subarray(0, images * 10) as Float64Array;
    expectWithin(net.name, relativeError(logits!.data, expected, largest(expected)), bound);
    const right = records.filter(({ label }, i) => argMax(logits!.data, i) === label).length;
    expect(right).toBe(
      images === 2000 ? net.correct : records.filter(({ label }, i) => argMax(expected, i) === label).length,
    );
    expect(records.map((_, i) => argMax(logits!.data, i))).toEqual(records.map((_, i) => argMax(expected, i)));
  });
});

/** What is recorded of a stage: its channels' means, the sums over all, and the first eight values. */
interface Features {
  readonly shape: readonly number[];
  readonly channelMeans: readonly number[];
  readonly sum: number;
  readonly absSum: number;
  readonly first8: readonly number[];
}

interface Crop {
  readonly crop: string;
  readonly "resnet50v2-trunk": { readonly [stage in "stem" | "stage1" | "stage2"]: Features };
}

describe.skipIf(missing)("the trunk of ResNet-50 v2", () => {
  const file = new URL("imagenet/crops.json", data);
  const crops = missing ? [] : (JSON.parse(readFileSync(file, "utf8")) as { images: Crop[] }).images;
  const trunk = {
    model: "resnet50v2_trunk" as const,
    weights: path("weights/resnet50v2-trunk/stem-stage1-stage2.safetensors"),
    preprocessing: imagenet,
  };

  it.each(crops.map((crop) => [crop.crop, crop] as const))("gives PyTorch's features of %s", async (_, crop) => {
    const pixels = await decodeImage(path(`imagenet/${crop.crop}`)); // cropped already
    for (const { backend, bound } of rows) {
      const image = normalize(pixels, given(backend, imagenet));
      const found = await run(backend, trunk, image, ["stem", "layer1", "layer2"]);
      for (const [stage, ours] of [
        ["stem", "stem"],
        ["stage1", "layer1"],
        ["stage2", "layer2"],
      ] as const) {
        const expected = crop["resnet50v2-trunk"][stage];
        expect(found[ours]!.shape).toEqual(expected.shape);
        expectWithin(`${backend}, ${stage}`, featureError(found[ours]!.data, expected), bound);
      }
    }
  });
});

/** Of the largest that is recorded; sums of all elements in units of the sum of their magnitudes. */
function featureError(
  values: Float32Array | Float64Array,
  { shape, channelMeans, sum, absSum, first8 }: Features,
): number {
  const pixels = shape[2]! * shape[3]!;
  const means = channelMeans.map((_, c) => sumOf(values.subarray(c * pixels, (c + 1) * pixels)) / pixels);
  const scale = Math.max(largest(channelMeans), largest(first8));
  const all = [sumOf(values), sumOf(values.map(Math.abs))];
  return Math.max(
    relativeError(means, channelMeans, scale),
    relativeError(values.subarray(0, 8), first8, scale),
    relativeError(all, [sum, absSum], absSum),
  );
}

async function run(
  backend: string,
  { model, weights: name, preprocessing }: Pick<Net, "model" | "weights" | "preprocessing">,
  image: Tensor<"float32">,
  outputs: readonly string[],
): Promise<{ readonly [name: string]: Answer }> {
  const weights = await findWeights(name);
  const [, ...size] = image.shape as [number, number, number, number];
  const open = resnet(variants[model] as ResNetSpec, { input: ["N", ...size] });
  const bound = bind(open, toTorchvision(weights, open));
  const graph = backend === "reference" ? normalizing(bound, preprocessing) : bound;
  await using executable = await backends[backend]!.compile(select(graph, outputs));
  return executable.run({ image });
}

function argMax(logits: ArrayLike<number>, row: number): number {
  let best = row * 10;
  for (let i = best; i < (row + 1) * 10; i++) if (logits[i]! > logits[best]!) best = i;
  return best - row * 10;
}
