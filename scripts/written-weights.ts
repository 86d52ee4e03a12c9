/**
 * Writes files of weights in each format, for other programs to read: check_written_weights.py does it with PyTorch,
 * NumPy and safetensors. The numbers are any bits at all; a ResNet-18 is written from a file, by rows. Checkpoints have
 * the state of an optimizer.
 *
 *   node --conditions=@residual/source scripts/written-weights.ts FOLDER
 *   python scripts/check_written_weights.py FOLDER
 */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { fixtureWeights, resnet, type Tensor, tensorOf, variants } from "../packages/core/src/index.ts";
import {
  type OptimizerState,
  readWeights,
  writeNpz,
  writePyTorch,
  writePyTorchCheckpoint,
  writeSafetensors,
} from "../packages/weights/src/index.ts";

const [folder] = process.argv.slice(2);
if (!folder) throw new Error("written-weights.ts FOLDER");
mkdirSync(folder, { recursive: true });

const metadata = { model: "resnet18", classes: JSON.stringify(["katt", "猫"]) };
const bits = Uint32Array.from({ length: 64 }, (_, i) => Math.imul(i + 1, 0x9e37_79b1)); // NaN, infinity, −0 among them
bits.set([0x7f80_0001, 0xff80_0000, 0x8000_0000, 1]);
const every: Readonly<Record<string, Tensor>> = {
  "layer1.0.conv1.weight": tensorOf("float32", [4, 4, 2, 2], new Float32Array(bits.buffer)),
  double: tensorOf("float64", [2, 16], new Float64Array(bits.buffer)),
  num_batches_tracked: tensorOf("int64", [], new BigInt64Array([-(2n ** 60n)])),
  counts: tensorOf("int32", [64], new Int32Array(bits.buffer)),
  bytes: tensorOf("uint8", [256, 1], new Uint8Array(bits.buffer)),
  scalar: tensorOf("float32", [], Float32Array.of(2.5)),
  "empty/first": tensorOf("float32", [0, 3], new Float32Array()),
  "empty/last": tensorOf("float32", [3, 0], new Float32Array()),
  "残差 'quoted' \"twice\" \\": tensorOf("float32", [1], Float32Array.of(-1)),
};
const small = { every: new Map(Object.entries(every)), none: new Map<string, Tensor>() };
for (const [name, tensors] of Object.entries(small)) {
  const path = join(folder, name);
  await writeSafetensors(`${path}.safetensors`, tensors, metadata);
  await writeNpz(`${path}.npz`, tensors, metadata);
  await writePyTorch(`${path}.pth`, tensors, metadata);
}

const path = join(folder, "resnet18");
await writeSafetensors(`${path}.safetensors`, fixtureWeights(resnet(variants.resnet18), "v1").tensors);
const { tensors } = await readWeights(`${path}.safetensors`);
await writeNpz(`${path}.npz`, tensors);
await writePyTorch(`${path}.pth`, tensors);

const network = fixtureWeights(resnet(variants.cifar_resnet20), "v1").tensors;
const trained = [...network.keys()].filter((name) => !/running_/.test(name));
const [decayed, others] = [trained.filter(isMatrix), trained.filter((name) => !isMatrix(name))];
const momenta = fixtureWeights(resnet(variants.cifar_resnet20), "v2").tensors;
const squares = new Map([...momenta].map(([name, tensor]) => [name, squared(tensor)]));
const optimizers: readonly OptimizerState[] = [
  {
    kind: "sgd",
    groups: [{ names: trained, lr: 0.1, momentum: 0.9, weightDecay: 5e-4, nesterov: true }],
    momenta: new Map(trained.map((name) => [name, { momentumBuffer: momenta.get(name)! }])),
  },
  {
    kind: "adamw",
    groups: [decayed, others].map((names, at) => {
      return { names, lr: 0.001, betas: [0.9, 0.999], eps: 1e-8, weightDecay: at === 0 ? 0.05 : 0 };
    }),
    momenta: new Map(
      trained.map((name) => [name, { step: 7, expAvg: momenta.get(name)!, expAvgSq: squares.get(name)! }]),
    ),
  },
];
await writeSafetensors(join(folder, "network.safetensors"), network);
await writeSafetensors(join(folder, "momenta.safetensors"), momenta);
for (const optimizer of optimizers)
  await writePyTorchCheckpoint(
    join(folder, `${optimizer.kind}.checkpoint`),
    { weights: network, optimizer, epoch: 3, step: 7 },
    { model: "cifar_resnet20", preprocessing: JSON.stringify(variants.cifar_resnet20.preprocessing) },
  );

function isMatrix(name: string): boolean {
  return network.get(name)!.shape.length > 1;
}

function squared({ shape, data }: Tensor<"float32">): Tensor<"float32"> {
  return tensorOf(
    "float32",
    shape,
    data.map((value) => value * value),
  );
}
