import {
  type Answer,
  checkInputs,
  concrete,
  DeviceLostError,
  type Graph,
  type Preprocessing,
  ResidualError,
  type Shape,
  select,
  sizeOf,
  softmaxRow,
  type Tensor,
  tensorOf,
  throwIfAborted,
} from "@residual/core";
import { type Prediction, stack } from "@residual/vision";
import { activationOf, type CamOptions, type ClassActivation, checkCam, checkTop } from "../class-activation.ts";
import type { UsedBackend } from "../classifier.ts";
import type { Identified } from "../identify.ts";
import { OptionError } from "../option-error.ts";
import { checkFinite, predictionsOf } from "../predictions.ts";
import { flattened, inFloat32 } from "../tensors.ts";
import type { Decoded, DecodeRequest, Drawn, DrawRequest } from "./decoding-thread.ts";
import { UnavailableError } from "./errors.ts";
import type { Queue, SubmitOptions } from "./queue.ts";
import type { Scheduler } from "./scheduler.ts";
import type { WorkerPool, WorkerState } from "./worker-pool.ts";

/** `logits` and `probabilities` [N, classes]; `embedding` [N, C], the pooled features before the last layer. */
export type ServedOutput = "logits" | "probabilities" | "embedding";

export interface InferOptions extends SubmitOptions {
  /** Default: logits. */
  readonly outputs?: readonly ServedOutput[] | undefined;
}

export interface ServedClassifyOptions extends SubmitOptions {
  /** Number of classes per picture. Default 5 */
  readonly top?: number | undefined;
}

export interface ServedCamOptions extends SubmitOptions, Omit<CamOptions, "signal"> {}

/** The declaration of an input or output. */
export interface ServedTensor {
  readonly name: string;
  /** "N" is the open batch. */
  readonly shape: Shape;
}

/** A model in every worker of a `Serving`. All methods throw as `Queue.submit` does, too. */
export interface ServedModel {
  readonly name: string;
  readonly model: string;
  readonly weights: string;
  readonly labels: readonly string[] | undefined;
  readonly preprocessing: Preprocessing;
  readonly backend: UsedBackend;
  /** "loading" while all workers are being replaced; "failed" if that has failed, and is being tried again. */
  readonly state: WorkerState;
  readonly inputs: readonly ServedTensor[];
  readonly outputs: readonly ServedTensor[];
  /** The most images of a batch. */
  readonly maxBatch: number;
  /** For metrics. */
  readonly queue: Pick<Queue<unknown, unknown>, "waiting" | "cost" | "predictedWait">;
  /** Throws as a call for one more image would be refused now, and changes nothing: before a body is read, say. */
  check(options?: SubmitOptions): void;
  /**
   * Outputs for images [N, 3, H, W]. Throws ShapeError for other shapes, OptionError for unknown outputs, WeightsError
   * for logits that are NaN or infinite, DeviceLostError if the worker's process ends.
   */
  infer(
    image: Tensor<"float32">,
    options?: InferOptions,
  ): Promise<{ readonly [name in ServedOutput]?: Tensor<"float32"> }>;
  /** An image file as the model's input, [1, 3, H, W], decoded in another thread. Throws errors of `decodeImage`. */
  decode(picture: Uint8Array, options?: SubmitOptions): Promise<Tensor<"float32">>;
  /** The likeliest classes of an image file, as `Classifier.classify`. */
  classify(picture: Uint8Array, options?: ServedClassifyOptions): Promise<readonly Prediction[]>;
  /** The pooled features of an image file, as `Classifier.features("avgpool")`. */
  embed(picture: Uint8Array, options?: SubmitOptions): Promise<Float32Array>;
  /** The class activation map of an image file, as `Classifier.cam`. The first call compiles another graph. */
  cam(picture: Uint8Array, options?: ServedCamOptions): Promise<ClassActivation>;
  /** The map of `cam` over its picture, as a PNG of the picture's size, drawn in another thread. */
  drawCam(picture: Uint8Array, options?: ServedCamOptions): Promise<Uint8Array<ArrayBuffer>>;
}

/** The result for an image, each tensor with a batch of 1. */
interface Row {
  readonly [name: string]: Tensor<"float32">;
}

type RowQueue = Queue<Tensor<"float32">, Row>;

export interface PooledModelParts {
  readonly name: string;
  /** The graph's key in the pool. */
  readonly key: string;
  readonly prepared: Identified & { readonly graph: Graph<"image", "logits">; readonly preprocessing: Preprocessing };
  readonly backend: UsedBackend;
  readonly pool: WorkerPool;
  readonly scheduler: Scheduler;
  readonly decoding: Queue<DecodeRequest, Decoded>;
  readonly drawing: Queue<DrawRequest, Drawn>;
  readonly maxBatch: number;
  readonly maxWaiting: number | undefined;
  readonly maxPixels: number;
}

/** The rows of each output of a batch. */
function rowsOfBatch(batch: number, outputs: { readonly [name: string]: Answer }): readonly Row[] {
  return Array.from({ length: batch }, (_, image) =>
    Object.fromEntries(
      Object.entries(outputs).map(([name, answer]) => {
        const { shape, data } = flattened(name, inFloat32(answer));
        const size = data.length / batch;
        return [name, tensorOf("float32", [1, ...shape.slice(1)], data.slice(image * size, (image + 1) * size))];
      }),
    ),
  );
}

export class PooledModel implements ServedModel {
  readonly name: string;
  readonly model: string;
  readonly weights: string;
  readonly labels: readonly string[] | undefined;
  readonly preprocessing: Preprocessing;
  readonly backend: UsedBackend;
  readonly inputs: readonly ServedTensor[];
  readonly outputs: readonly ServedTensor[];
  readonly maxBatch: number;
  readonly queue: RowQueue;
  readonly #parts: PooledModelParts;
  readonly #classes: number;
  #maps: Promise<RowQueue> | undefined;
  /** Pictures that are decoded for the queue. */
  #decoding = 0;
  /** Calls that decode a picture first. */
  readonly #pictures = new Set<Promise<unknown>>();
  #isEnding = false;

  constructor(parts: PooledModelParts) {
    const { prepared } = parts;
    const { graph } = prepared;
    this.#parts = parts;
    this.name = parts.name;
    this.model = prepared.model;
    this.weights = prepared.weights;
    this.labels = prepared.labels;
    this.preprocessing = prepared.preprocessing;
    this.backend = parts.backend;
    this.maxBatch = parts.maxBatch;
    this.queue = this.#queueOf(parts.name, parts.key);
    this.#classes = Number(graph.outputs.logits.shape[1]);
    const features = Number(select(graph, ["avgpool"]).outputs.avgpool.shape[1]);
    this.inputs = [{ name: "image", shape: graph.inputs.image.shape }];
    this.outputs = [
      { name: "logits", shape: ["N", this.#classes] },
      { name: "probabilities", shape: ["N", this.#classes] },
      { name: "embedding", shape: ["N", features] },
    ];
  }

  /**
   * Runs the smallest and the largest batch in every worker: once to allocate memory, and once to measure, so that the
   * first requests are neither slow nor admitted without a prediction.
   */
  async warmUp(signal: SubmitOptions["signal"]): Promise<void> {
    const { pool, key, maxBatch, prepared } = this.#parts;
    for (let worker = 0; worker < pool.size; worker++)
      for (const batch of new Set([1, maxBatch])) {
        throwIfAborted(signal);
        const shape = concrete(prepared.graph.inputs.image.shape, batch);
        const image = tensorOf("float32", shape, new Float32Array(sizeOf(shape)));
        await pool.run(worker, key, image);
        const start = performance.now();
        await pool.run(worker, key, image);
        this.queue.learn(batch, performance.now() - start);
      }
  }

  get state(): WorkerState {
    return this.#parts.pool.state;
  }

  check(options: SubmitOptions = {}): void {
    this.#checkState();
    this.queue.check(1, options, this.#decoding);
  }

  async infer(
    image: Tensor<"float32">,
    { outputs = ["logits"], ...options }: InferOptions = {},
  ): Promise<{ readonly [name in ServedOutput]?: Tensor<"float32"> }> {
    this.#checkState();
    const images = checkInputs(this.#parts.prepared.graph, { image });
    for (const name of outputs) this.#checkOutput(name);
    const size = image.data.length / images;
    const items = Array.from({ length: images }, (_, index) =>
      tensorOf("float32", [1, ...image.shape.slice(1)], image.data.subarray(index * size, (index + 1) * size)),
    );
    const rows = await this.queue.submit(items, options);
    for (const { logits } of rows) checkFinite(logits!, this);
    return Object.fromEntries(outputs.map((name) => [name, stack(rows.map((row) => outputOf(row, name)))]));
  }

  async decode(picture: Uint8Array, options: SubmitOptions = {}): Promise<Tensor<"float32">> {
    return (await this.#decoded(picture, false, options)).image;
  }

  async classify(
    picture: Uint8Array,
    { top = 5, ...options }: ServedClassifyOptions = {},
  ): Promise<readonly Prediction[]> {
    checkTop(top);
    const { logits } = await this.#row(picture, options);
    const predictions = predictionsOf(logits!, top, this);
    if (predictions instanceof ResidualError) throw predictions;
    return predictions;
  }

  async embed(picture: Uint8Array, options: SubmitOptions = {}): Promise<Float32Array> {
    const { logits, avgpool } = await this.#row(picture, options);
    checkFinite(logits!, this);
    return avgpool!.data;
  }

  async cam(picture: Uint8Array, { signal, deadline, ...options }: ServedCamOptions = {}): Promise<ClassActivation> {
    const wanted = checkCam(options, this.#classes, this);
    return this.#during(async () => {
      const left = countdown({ signal, deadline });
      const maps = await this.#mapsQueue();
      maps.check(1, left());
      const { image, pixels } = await this.#decoded(picture, true, left());
      const [row] = await maps.submit([image], left());
      return activationOf({ logits: row!.logits!, cam: row!.cam! }, pixels!, wanted, options.top ?? 5, this);
    });
  }

  async drawCam(picture: Uint8Array, options: ServedCamOptions = {}): Promise<Uint8Array<ArrayBuffer>> {
    const left = countdown(options);
    return this.#during(async () => {
      const { pixels, map, area } = await this.cam(picture, options);
      const [drawn] = await this.#parts.drawing.submit([{ cam: { pixels, map, area } }], left());
      return drawn!.file;
    });
  }

  /** Refuses new requests, answers all others, and frees the model. */
  async drain(): Promise<void> {
    this.#isEnding = true;
    await Promise.allSettled(this.#pictures); // those that are being decoded have not reached the queue
    await this.#end((queue) => queue.drain());
  }

  /** Rejects waiting requests, and frees the model. */
  async close(): Promise<void> {
    this.#isEnding = true;
    await this.#end((queue) => queue.close());
  }

  async #end(end: (queue: RowQueue) => Promise<void>): Promise<void> {
    const { pool, key } = this.#parts;
    await end(this.queue);
    await this.#maps?.then(end, () => {});
    await Promise.all([pool.remove(key), pool.remove(`${key}/cam`)]);
  }

  #row(picture: Uint8Array, options: SubmitOptions): Promise<Row> {
    return this.#during(async () => this.#rowOf(picture, options));
  }

  /** Work that `drain` waits for. */
  async #during<T>(work: () => Promise<T>): Promise<T> {
    this.#checkState();
    const mine = work();
    this.#pictures.add(mine);
    return mine.finally(() => this.#pictures.delete(mine));
  }

  async #rowOf(picture: Uint8Array, options: SubmitOptions): Promise<Row> {
    const left = countdown(options);
    this.queue.check(1, options, this.#decoding); // a picture that would be refused is not decoded
    this.#decoding++;
    const { image } = await this.#decoded(picture, false, left()).finally(() => this.#decoding--);
    const [row] = await this.queue.submit([image], left());
    return row!;
  }

  #checkState(): void {
    if (this.#isEnding) throw new UnavailableError(`${this.name} takes no more requests: it is being unloaded`);
    if (this.state === "failed")
      throw new DeviceLostError(`${this.name}: its workers have ended, and could not be replaced yet; try again later`);
  }

  async #decoded(picture: Uint8Array, keepsPixels: boolean, options: SubmitOptions): Promise<Decoded> {
    const { decoding, maxPixels } = this.#parts;
    const { preprocessing } = this;
    const [decoded] = await decoding.submit([{ picture, keepsPixels, preprocessing, maxPixels }], options);
    return decoded!;
  }

  /** Compiles the graph of the maps on first use. */
  #mapsQueue(): Promise<RowQueue> {
    const { name, key, pool, prepared } = this.#parts;
    const compile = async () => {
      await pool.add(`${key}/cam`, select(prepared.graph, ["logits", "cam"]), {});
      return this.#queueOf(`${name}/cam`, `${key}/cam`);
    };
    this.#maps ??= compile().catch((error: unknown) => {
      this.#maps = undefined; // the next call tries again
      throw error;
    });
    return this.#maps;
  }

  #queueOf(name: string, key: string): RowQueue {
    const { scheduler, pool, maxBatch, maxWaiting } = this.#parts;
    return scheduler.queue({
      name,
      maxBatch,
      maxWaiting,
      run: async (images, worker) => rowsOfBatch(images.length, await pool.run(worker, key, stack(images))),
    });
  }

  #checkOutput(name: string): void {
    const names = this.outputs.map((each) => each.name);
    if (!names.includes(name)) throw new OptionError(`${this.name} has no output ${name}; it has ${names.join(", ")}`);
  }
}

function outputOf({ logits, avgpool }: Row, name: ServedOutput): Tensor<"float32"> {
  if (name === "embedding") return avgpool!;
  if (name === "logits") return logits!;
  return tensorOf("float32", logits!.shape, Float32Array.from(softmaxRow(logits!.data)));
}

/** The options with what is left of the deadline at each call. */
function countdown({ signal, deadline }: SubmitOptions): () => SubmitOptions {
  const end = deadline === undefined ? undefined : performance.now() + deadline;
  return () => ({ signal, deadline: end === undefined ? undefined : end - performance.now() });
}
