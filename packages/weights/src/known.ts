import { publishedAs } from "./published.ts";

/** Trained weights that go by a name. */
export interface KnownWeights {
  readonly name: string;
  /** The model they are for, by its name in core. */
  readonly model: string;
  readonly description: string;
  /** SPDX. */
  readonly license: string;
  /** Their safetensors file, which the package ships. */
  readonly file: URL;
}

export const knownWeights: readonly KnownWeights[] = [
  {
    name: "resnet20-cifar10",
    model: "cifar_resnet20",
    description: "CIFAR ResNet-20 (He et al. 2015) trained for Residual on CIFAR-10: 89.63 % of the test set right",
    license: "CC0-1.0",
    file: new URL("../known/resnet20-cifar10.safetensors", import.meta.url),
  },
];

/** What people know of weights whose file does not say it: its metadata as it should have been. */
interface Recognized {
  readonly file: RegExp;
  readonly metadata: (match: RegExpExecArray) => Readonly<Record<string, string>>;
}

const cifar = { resize: 32, crop: 32, interpolation: "bilinear" };
const imagenetColours = { scale: 255, mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] };

const recognized: readonly Recognized[] = [
  {
    // akamaster/pytorch_resnet_cifar10, which normalizes CIFAR-10 by ImageNet's colours
    file: /^resnet(20|32|44|56|110|1202)-[0-9a-f]{8}\./,
    metadata: ([, depth]) => ({
      model: `cifar_resnet${depth}`,
      preprocessing: JSON.stringify({ ...cifar, ...imagenetColours }),
    }),
  },
  {
    // mlcommons/tiny, image classification
    file: /^pretrainedResnet\./,
    metadata: () => ({
      model: "mlperf_tiny_resnet8",
      preprocessing: JSON.stringify({ ...cifar, scale: 1, mean: [0, 0, 0], std: [1, 1, 1] }),
    }),
  },
];

/**
 * Metadata (`model`, `preprocessing`) that is known for a file of this name; empty where nothing is. A file called
 * `model` or `pytorch_model`, as hubs call all of theirs, goes by the folders that it lies in.
 */
export function knownMetadata(path: string): Readonly<Record<string, string>> {
  const [file = "", ...folders] = path.split(/[\\/]/).toReversed();
  for (const { file: pattern, metadata } of recognized) {
    const match = pattern.exec(file);
    if (match) return metadata(match);
  }
  const stem = file.replace(/\.[^.]*$/, "");
  const names = /^(pytorch_)?model$/.test(stem) ? folders : [stem];
  const known = names
    .map((name) => publishedAs(name.replace(/^models--timm--/, "")))
    .find((each) => each !== undefined);
  return known ? { model: known.model, preprocessing: JSON.stringify(known.preprocessing) } : {};
}
