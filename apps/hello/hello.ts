import { onnx } from "@residual/onnx";
import { knownPreprocessing, prepare } from "@residual/pipeline";
import { decodeImage, preprocess, topK } from "@residual/vision";

const backend = onnx(); // or `reference` from @residual/core: float64, slower, with nothing to install

const photo = process.argv[2];
if (photo === undefined) throw new Error("usage: node hello.ts PHOTO; in a clone, pnpm start PHOTO");

// The weights that ship inside; or { weights: "mine.safetensors" }. They know their model, and what its classes are
// called.
const prepared = await prepare({ weights: "resnet20-cifar10" });

// A model is plain data until a backend compiles it.
await using model = await backend.compile(prepared.graph);

const image = preprocess(await decodeImage(photo), knownPreprocessing(prepared));
const { logits } = await model.run({ image });

for (const { label, probability } of topK(logits!, 3, prepared.labels)[0]!) {
  console.log(`${(probability * 100).toFixed(1).padStart(5)} %  ${label}`);
}
