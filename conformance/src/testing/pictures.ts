import { bind, resnet, select, type Tensor, tensorOf, toFloat64 } from "@residual/core";
import { cifar10, normalize, readCifar10, stack } from "@residual/vision";
import { readWeights } from "@residual/weights";
import { inject } from "vitest";
import { specOf } from "../suite/fixture-model.ts";
import type { ImageBatch, ImageSet } from "../suite/levels/images.ts";

declare module "vitest" {
  interface ProvidedContext {
    /** The path of the repository. */
    readonly repository: string;
  }
}

const BATCH = 10;

/**
 * The ResNet-20 that ships with the project, and the first pictures of CIFAR-10's test set, in Node and in browsers.
 * The project may not distribute the pictures. Without them the result is empty, with a warning.
 */
export async function pictures(count: number): Promise<readonly ImageSet[]> {
  const weights = await fileOf("packages/weights/known/resnet20-cifar10.safetensors");
  const [records, answers] = await Promise.all([
    fileOf("../shared/data/cifar10/test_first2000.bin"),
    fileOf("../shared/weights/resnet20-cifar10.answers.safetensors"),
  ]);
  if (!weights) throw new TypeError("the project's own weights are missing");
  if (!records || !answers) {
    console.warn("SKIPPED: the level images; ../shared, with pictures of CIFAR-10 and PyTorch's answers, is missing");
    return [];
  }
  const model = resnet(specOf("cifar_resnet20"), { input: ["N", 3, 32, 32] });
  const graph: ImageSet["graph"] = select(bind(model, await readWeights(weights)), ["logits"]);
  const all = readCifar10(records).slice(0, count);
  const logits = toFloat64((await readWeights(answers)).tensors.get("logits") as Tensor<"float64">);
  const [mean, std] = [cifar10.mean.map(Math.fround), cifar10.std.map(Math.fround)]; // the recorded answers used these
  function* batches(): Generator<ImageBatch> {
    for (let start = 0; start < count; start += BATCH) {
      const batch = all.slice(start, start + BATCH);
      yield {
        image: stack(batch.map(({ pixels }) => normalize(pixels, { ...cifar10, mean, std }))),
        logits: tensorOf("float64", [batch.length, 10], logits.data.slice(start * 10, (start + batch.length) * 10)),
        labels: batch.map(({ label }) => label),
      };
    }
  }
  return [{ name: `CIFAR-10, first ${count}`, model: "cifar_resnet20", graph, relToMax: 1e-6, batches, count }];
}

/** A file by its path in the repository; undefined if there is none. A browser reads the file by way of Vite. */
async function fileOf(path: string): Promise<Uint8Array<ArrayBuffer> | undefined> {
  const file = new URL(path, `file://${inject("repository")}`);
  if (typeof process === "undefined" || process.versions?.node === undefined) {
    const answer = await fetch(`/@fs${file.pathname}`);
    return answer.ok ? new Uint8Array(await answer.arrayBuffer()) : undefined;
  }
  const { readFile } = await import("node:fs/promises");
  return readFile(file).then(
    (bytes) => new Uint8Array(bytes),
    () => undefined,
  );
}
