import { isTensor, modelNameOf, type NamedSource, type Preprocessing, type Tensor } from "@residual/core";
import type { KnownWeights } from "./known/known-weights.ts";

/** The weights that the package ships. */
export const shippedWeights: KnownWeights = {
  name: "resnet20-cifar10",
  model: "cifar_resnet20",
  /** Bundlers for browsers recognize this form, and include the file. */
  get url() {
    return new URL("../known/resnet20-cifar10.safetensors", import.meta.url).href;
  },
  bytes: 1_092_976,
  sha256: "bcd55502062f03e3d7ea9df362e9f46f962e05abad5b2a0ce2b2e2cfa2a538b1",
  top1: 89.63,
  license: "CC0-1.0",
};

/** All weights with a name: first the shipped ones, then the published ones. */
export async function knownWeights(): Promise<readonly KnownWeights[]> {
  const { published } = await import("./known/published.ts");
  return [shippedWeights, ...published];
}

/** Known facts about weights that their file does not contain. */
export interface Known {
  /** The model's name in core. */
  readonly model: string;
  readonly preprocessing: Preprocessing | undefined;
  /** SPDX identifier. */
  readonly license?: string | undefined;
  /** How the weights were recognized: by their numbers or their name, or only by the file's name. */
  readonly source: "known weights" | "file name";
}

const cifar = { resize: 32, crop: 32, interpolation: "bilinear" } as const;
const imagenetColours = { scale: 255, mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] } as const;
const asImagenet: Preprocessing = { ...cifar, ...imagenetColours };
const rawBytes: Preprocessing = { ...cifar, scale: 1, mean: [0, 0, 0], std: [1, 1, 1] };

/** Published weights whose files contain no metadata. */
interface Recognized {
  readonly model: string;
  readonly preprocessing: Preprocessing;
  /** The numbers of the last layer's bias, to four digits. They identify a training. */
  readonly bias: readonly number[];
}

/**
 * akamaster/pytorch_resnet_cifar10 normalizes CIFAR-10 by ImageNet's colours; mlcommons/tiny's ResNet-8 reads bytes as
 * they are.
 */
const recognized: readonly Recognized[] = [
  {
    model: "cifar_resnet20",
    preprocessing: asImagenet,
    bias: [0.1936, -0.3431, 0.1112, 0.3225, 0.144, -0.181, 0.1631, -0.1621, 0.0221, -0.2703],
  },
  {
    model: "cifar_resnet32",
    preprocessing: asImagenet,
    bias: [0.1763, -0.3967, 0.09323, 0.1306, 0.205, -0.1249, 0.1557, -0.1295, -0.01718, -0.08627],
  },
  {
    model: "cifar_resnet44",
    preprocessing: asImagenet,
    bias: [0.0699, -0.4067, 0.3383, 0.2586, 0.1433, -0.1359, 0.06676, -0.141, -0.1066, -0.08431],
  },
  {
    model: "mlperf_tiny_resnet8",
    preprocessing: rawBytes,
    bias: [-0.08893, -0.1563, 0.01759, 0.07069, 0.04662, -0.1322, 0.1707, -0.1088, -0.006727, 0.1793],
  },
];

/** Tolerance relative to the largest number: bfloat16 has 8 significant bits. */
const CLOSE = 2 ** -8;

/**
 * Recognizes weights by the numbers of the last layer's bias, whatever the names, dtype and order of the tensors.
 * Further training changes these numbers.
 */
export function knownByNumbers(tensors: ReadonlyMap<string, NamedSource>): Known | undefined {
  for (const source of tensors.values()) {
    if (source.shape.length !== 1 || !isTensor(source)) continue;
    const found = recognized.find(({ bias }) => isClose(bias, source.data));
    if (found) return { model: found.model, preprocessing: found.preprocessing, source: "known weights" };
  }
  return undefined;
}

function isClose(bias: readonly number[], data: Tensor["data"]): boolean {
  if (data.length !== bias.length) return false;
  const most = CLOSE * Math.max(...bias.map(Math.abs));
  return bias.every((number, i) => Math.abs(Number(data[i]) - number) <= most);
}

/** Patterns of published file names without extension. They avoid reading the whole table, which takes 3 ms. */
const PUBLISHED = /[-_][0-9a-f]{8}$|\.|_tf_dim_ordering_|-v\d+-|^(pytorch_)?model$/;

/** Recognizes a published file by its name. The result may be wrong, because any file can have the name. */
export async function knownByName(path: string): Promise<Known | undefined> {
  const stem = path.replace(/^.*[\\/]/, "").replace(/\.[^.]*$/, "");
  if (!PUBLISHED.test(stem)) return undefined;
  const { publishedAs } = await import("./known/published.ts");
  const found = publishedAs(path);
  if (!found || modelNameOf(found.model) === undefined) return undefined;
  const { model, preprocessing, license } = found;
  return { model, preprocessing, license, source: "file name" };
}
