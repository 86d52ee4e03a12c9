/** One picture on four backends: node compare.ts PICTURE */
import { load } from "residual";

const picture = process.argv[2] ?? `${import.meta.dirname}/../../photos/chelsea.png`;
for (const backend of ["reference", "onnx", "wasm", "webgpu"]) {
  try {
    await using classifier = await load({ backend });
    const start = performance.now();
    const [best] = await classifier.classify(picture);
    const milliseconds = (performance.now() - start).toFixed(1);
    console.log(
      `${backend}: ${best!.label} ${best!.probability.toFixed(6)}, ${milliseconds} ms, ${classifier.backend.device}`,
    );
  } catch (error) {
    console.log(`${backend}: ${(error as Error).message}`); // such as: the runtime is not installed
  }
}
