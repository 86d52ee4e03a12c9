import {
  fixtureInput,
  fixtureWeights,
  type ModelName,
  type ResNetSpec,
  resnet,
  variants,
  type WorkOptions,
} from "@residual/core";
import { openServing, type ServedModel } from "@residual/pipeline/serving";
import type { BatchingSystem } from "./measure.ts";

export interface ServedOptions extends WorkOptions {
  readonly model: ModelName;
  readonly backend: string;
  readonly maxBatch: number | undefined;
  readonly workers: number;
  readonly threads: number | undefined;
  readonly onWarning: (message: string) => void;
}

export interface ServedSystem extends BatchingSystem, AsyncDisposable {
  readonly served: ServedModel;
}

/** Images in memory that the queries take in turn. */
const IMAGES = 8;

/**
 * The server's scheduler and workers without HTTP: the queries come from this process, as LoadGen's do. Its queue has
 * no limit, since MLPerf wants every query answered.
 */
export async function openServedSystem({ model, workers, ...options }: ServedOptions): Promise<ServedSystem> {
  const batches: { images: number; ms: number }[] = [];
  const { backend, maxBatch, threads, onWarning, signal, onProgress } = options;
  const onBatch = ({ images, ms }: { readonly images: number; readonly ms: number }) => batches.push({ images, ms });
  const limits = { workers, threads, maxBatch, maxWaiting: Number.MAX_SAFE_INTEGER };
  const serving = await openServing({ ...limits, backend, onBatch, onWarning, signal });
  try {
    const spec: ResNetSpec = variants[model];
    const { preprocessing, classes = 1000 } = spec;
    const labels = Array.from({ length: classes }, (_, index) => `class ${index}`); // no guess of names to warn of
    const weights = fixtureWeights(resnet(spec, { name: model }), "v1");
    const served = await serving.load(model, { model, weights, preprocessing, labels }, { signal, onProgress });
    const [, ...size] = served.inputs[0]!.shape.map(Number);
    const images = Array.from({ length: IMAGES }, (_, index) => fixtureInput(`bench ${index}`, [1, ...size]));
    const query = fixtureInput("bench", [IMAGES, ...size]);
    let next = 0;
    const issue = (samples: number) => {
      const image = samples === IMAGES ? query : images[next++ % IMAGES]!;
      return served.infer(image, { signal });
    };
    const capacity = workers * served.maxBatch;
    return { served, batches, capacity, issue, [Symbol.asyncDispose]: () => serving.dispose() };
  } catch (error) {
    await serving.dispose();
    throw error;
  }
}
