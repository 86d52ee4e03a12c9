/** Names of transformers' ResNet, of which each ends one of ours: `resnet.` and other prefixes stay. */
const patterns: readonly (readonly [RegExp, (...groups: string[]) => string])[] = [
  [/(^|\.)embedder\.embedder\.(convolution|normalization)(?=\.\w+$)/, (_, before, kind) => `${before}${stem[kind]}`],
  [
    /(^|\.)encoder\.stages\.(\d)\.layers\.(\d{1,3})\.layer\.(\d)\.(convolution|normalization)(?=\.\w+$)/,
    (_, before, stage, block, index, kind) =>
      `${before}layer${Number(stage) + 1}.${block}.${layer[kind]}${Number(index) + 1}`,
  ],
  [
    /(^|\.)encoder\.stages\.(\d)\.layers\.(\d{1,3})\.shortcut\.(convolution|normalization)(?=\.\w+$)/,
    (_, before, stage, block, kind) => `${before}layer${Number(stage) + 1}.${block}.downsample.${shortcut[kind]}`,
  ],
];

const stem: Readonly<Record<string, string>> = { convolution: "conv1", normalization: "bn1" };
const layer: Readonly<Record<string, string>> = { convolution: "conv", normalization: "bn" };
const shortcut: Readonly<Record<string, string>> = { convolution: "0", normalization: "1" };

/**
 * A name of transformers' ResNetModel as torchvision has it, any other as it is:
 *
 *   embedder.embedder.convolution.weight                    conv1.weight
 *   encoder.stages.0.layers.1.layer.2.normalization.bias    layer1.1.bn3.bias
 *   encoder.stages.1.layers.0.shortcut.convolution.weight   layer2.0.downsample.0.weight
 *
 * Source: huggingface/transformers, models/resnet/modeling_resnet.py (commit 00cbbe53).
 */
export function torchvisionName(name: string): string {
  if (!/\.(convolution|normalization)\./.test(name)) return name;
  return patterns.reduce((renamed, [pattern, replacement]) => renamed.replace(pattern, replacement), name);
}
