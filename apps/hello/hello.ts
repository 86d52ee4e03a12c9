import { bind, resnet, variants } from "@residual/core";
import { onnx } from "@residual/onnx";
import { decodeImage, preprocess, readPreprocessing, topK } from "@residual/vision";
import { findWeights, toTorchvision } from "@residual/weights";

const backend = onnx(); // or `reference` from @residual/core: the same numbers, slower, with nothing to install

const photo = process.argv[2];
if (photo === undefined) throw new Error("usage: node hello.ts PHOTO");

// Weights know what they were trained on: how to prepare a picture, and what the classes are called.
const weights = await findWeights("resnet20-cifar10"); // or a .safetensors file of your own
const preprocessing = readPreprocessing(weights.metadata.preprocessing!);
const labels = JSON.parse(weights.metadata.classes!) as string[];

// A model is plain data until a backend compiles it.
const spec = resnet(variants.cifar_resnet20);
const graph = bind(spec, toTorchvision(weights, spec));
await using model = await backend.compile(graph);

const image = preprocess(await decodeImage(photo), preprocessing);
const { logits } = await model.run({ image });

for (const { label, probability } of topK(logits, 3, labels)[0]!) {
  console.log(`${(probability * 100).toFixed(1).padStart(5)} %  ${label}`);
}
