import type { NamePattern } from "./file-names.ts";

/**
 * Names of layers in transformers' ResNetModel, without prefixes, and their torchvision modules:
 *
 *   embedder.embedder.convolution                    conv1
 *   encoder.stages.0.layers.1.layer.2.normalization  layer1.1.bn3
 *   encoder.stages.1.layers.0.shortcut.convolution   layer2.0.downsample.0
 */
export const transformersPatterns: readonly NamePattern[] = [
  [/(?<=^|\.)embedder\.embedder\.convolution$/, "conv1"],
  [/(?<=^|\.)embedder\.embedder\.normalization$/, "bn1"],
  [
    /(?<=^|\.)encoder\.stages\.(?<s>\d)\.layers\.(?<block>\d{1,3})\.layer\.(?<i>\d)\.convolution$/,
    "layer{s+1}.{block}.conv{i+1}",
  ],
  [
    /(?<=^|\.)encoder\.stages\.(?<s>\d)\.layers\.(?<block>\d{1,3})\.layer\.(?<i>\d)\.normalization$/,
    "layer{s+1}.{block}.bn{i+1}",
  ],
  [
    /(?<=^|\.)encoder\.stages\.(?<s>\d)\.layers\.(?<block>\d{1,3})\.shortcut\.convolution$/,
    "layer{s+1}.{block}.downsample.0",
  ],
  [
    /(?<=^|\.)encoder\.stages\.(?<s>\d)\.layers\.(?<block>\d{1,3})\.shortcut\.normalization$/,
    "layer{s+1}.{block}.downsample.1",
  ],
];
