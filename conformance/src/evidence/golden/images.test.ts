import { existsSync, readFileSync } from "node:fs";
import {
  type Answer,
  type Backend,
  bind,
  constant,
  type Graph,
  named,
  ops,
  readTensor,
  reference,
  resnet,
  rewrite,
  select,
  type Tensor,
  tensorOf,
} from "@residual/core";
import {
  decodeImage,
  imagenet,
  normalize,
  type Preprocessing,
  raw32,
  readCifar10,
  stack,
} from "@residual/vision";
import { readWeights } from "@residual/weights";
import { describe, expect, it } from "vitest";
import { conform } from "../../suite/conform.ts";
import { specOf } from "../../suite/fixture-model.ts";
import type { ImageBatch, ImageSet } from "../../suite/levels/images.ts";
import { backends } from "../../testing/backends.ts";
import { expectWithin, largest, relativeError, sumOf } from "./compare.ts";
import { data, type Net, nets, path, trunk } from "./nets.ts";

const missing = !existsSync(data);
if (missing) console.warn(`SKIPPED: real weights and images; ${data.pathname} is missing`);

/**
 * Allowed share of the largest logit. PyTorch's own float32 errs by at most 2e-5 on logits of up to 25
 * (margin_first2000.json).
 */
const OF_PYTORCH = 1e-6;

/** Allowed share of the largest value, in float64. The reference is slow, so it gets only a few pictures. */
const CLOSE = 1e-10;

/**
 * PyTorch's answers come from pixels that were normalized in float64. float32 holds bytes exactly, so the reference
 * gets the bytes. A first layer then normalizes the bytes in the reference's float64: (x − 255·mean) / √(255·std)².
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

const records = missing ? [] : readCifar10(readFileSync(new URL("cifar10/test_first2000.bin", data)));

describe.skipIf(missing).each(nets.map((net) => [net.name, net] as const))("%s", (_, net) => {
  it("gives PyTorch's logits on onnx, image by image", async () => {
    const report = await conform(backends.onnx!, { only: ["images"], images: [await imageSet(net)] });
    const { checks } = report.sections[0]!;
    expect(checks.filter(({ passed }) => !passed)).toEqual([]);
    expect(checks[0]).toMatchObject({ name: "predictions", what: `2000 images, ${net.correct} right` });
    expect(checks).toHaveLength(12); // the predictions, the logits, and the ten closest calls
  });

  it("gives PyTorch's logits on the reference, far closer", async () => {
    const first = records.slice(0, 4);
    const image = stack(first.map(({ pixels }) => normalize(pixels, { ...net.preprocessing, ...raw32 })));
    const { logits } = await run(reference, normalizing(await boundGraph(net, image.shape), net.preprocessing), image);
    const expected = (await answersOf(net)).subarray(0, 40);
    expectWithin(net.name, relativeError(logits!.data, expected, largest(expected)), CLOSE);
  });
});

/** All 2,000 images, in batches whose activations fit the cache. */
async function imageSet(net: Net): Promise<ImageSet> {
  const graph = (await boundGraph(net, [1, 3, 32, 32])) as ImageSet["graph"];
  const logits = await answersOf(net);
  function* batches(): Generator<ImageBatch> {
    for (let start = 0; start < records.length; start += 50) {
      const batch = records.slice(start, start + 50);
      yield {
        image: stack(batch.map(({ pixels }) => normalize(pixels, net.preprocessing))),
        logits: tensorOf("float64", [50, 10], logits.slice(start * 10, (start + 50) * 10)),
        labels: batch.map(({ label }) => label),
      };
    }
  }
  return { name: "CIFAR-10, first 2,000", model: net.model, graph, relToMax: OF_PYTORCH, batches };
}

async function answersOf({ answers, tensor }: Net): Promise<Float64Array> {
  return (await readTensor((await readWeights(answers)).tensors.get(tensor)!)).data as Float64Array;
}

/** The record of a stage: the mean of each channel, the sums over all elements, and the first eight values. */
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

  it.each(crops.map((crop, i) => [crop.crop, crop, i] as const))(
    "gives PyTorch's features of %s",
    async (_, crop, i) => {
      const pixels = await decodeImage(path(`imagenet/${crop.crop}`)); // cropped already
      const graph = await boundGraph(trunk, [1, 3, 224, 224]);
      const onOnnx = { backend: backends.onnx!, given: graph, preprocessing: imagenet, bound: 10 * OF_PYTORCH };
      const onReference = {
        backend: reference, // takes ten seconds, so it runs on one crop only
        given: normalizing(graph, imagenet),
        preprocessing: { ...imagenet, ...raw32 },
        bound: CLOSE,
      };
      const runs = i === 0 ? [onOnnx, onReference] : [onOnnx];
      for (const { backend, given, preprocessing, bound } of runs) {
        const found = await run(backend, select(given, ["stem", "layer1", "layer2"]), normalize(pixels, preprocessing));
        for (const [stage, ours] of Object.entries({ stem: "stem", stage1: "layer1", stage2: "layer2" } as const)) {
          const expected = crop["resnet50v2-trunk"][stage as "stem"];
          expect(found[ours]!.shape).toEqual(expected.shape);
          expectWithin(`${backend.name}, ${stage}`, featureError(found[ours]!.data, expected), bound);
        }
      }
    },
  );
});

/** The error as a share of the largest recorded value. The unit of sums over all elements is the sum of magnitudes. */
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

async function boundGraph(
  { model, weights: name }: Pick<Net, "model" | "weights">,
  [, ...size]: readonly number[],
): Promise<Graph<"image">> {
  const open = resnet(specOf(model), { input: ["N", ...size] });
  return bind(open, await readWeights(name, { graph: open }));
}

async function run(
  backend: Backend,
  graph: Graph<"image">,
  image: Tensor<"float32">,
): Promise<{ readonly [name: string]: Answer }> {
  await using executable = await backend.compile(graph);
  return executable.run({ image });
}
