import { availableParallelism } from "node:os";
import { type Signal, select, throwIfAborted, type WorkOptions } from "@residual/core";
import { unknownName } from "@residual/kit/names";
import { checkOptions, checks } from "../check-options.ts";
import { batchFor } from "../classifier.ts";
import type { PrepareOptions } from "../identify.ts";
import { graphForPictures } from "../load.ts";
import { OptionError } from "../option-error.ts";
import { node } from "../platform/node.ts";
import { knownPreprocessing, prepare } from "../prepare.ts";
import { type Decoded, type DecodeRequest, DecodingThread, type Drawn, type DrawRequest } from "./decoding-thread.ts";
import { UnavailableError } from "./errors.ts";
import type { BatchReport, Queue } from "./queue.ts";
import { Scheduler } from "./scheduler.ts";
import { PooledModel, type ServedModel } from "./served-model.ts";
import { WorkerPool } from "./worker-pool.ts";

export interface ServingOptions {
  /** Processes that run models. Default: one for every 4 cores */
  readonly workers?: number | undefined;
  /** Threads of a run. Default: the cores divided by the workers */
  readonly threads?: number | undefined;
  /** Threads that decode pictures, and draw maps. Default: half of the cores, at least 1 */
  readonly decoders?: number | undefined;
  /** A backend's name, the path of a module that exports one, or `auto`. Default `auto` */
  readonly backend?: string | undefined;
  /** The most images of a batch. Default: 32 for a small network, 8 for large images */
  readonly maxBatch?: number | undefined;
  /** The most images that wait for a model. Default 16 · maxBatch */
  readonly maxWaiting?: number | undefined;
  /** The most pixels, width × height, of a picture. Default 67,108,864: 201 MB while it is decoded */
  readonly maxPixels?: number | undefined;
  /** Called after each batch. */
  readonly onBatch?: ((batch: BatchReport) => void) | undefined;
  /** Default: `process.emitWarning` */
  readonly onWarning?: ((message: string) => void) | undefined;
  /** Aborts opening. */
  readonly signal?: Signal | undefined;
}

export type ModelOptions = Pick<PrepareOptions, "model" | "weights" | "labels" | "preprocessing">;

/** Models in a pool of processes. */
export interface Serving extends AsyncDisposable {
  /** The models that are loaded, by name. */
  readonly models: ReadonlyMap<string, ServedModel>;
  /**
   * Loads a model into every worker. A model of that name is replaced, after its requests have been answered. Throws as
   * `load` does.
   */
  load(name: string, options?: ModelOptions, work?: WorkOptions): Promise<ServedModel>;
  /** Removes a model, after its requests have been answered. Throws OptionError for an unknown name. */
  unload(name: string): Promise<void>;
  /** Refuses new requests, and resolves when all others are answered. */
  drain(): Promise<void>;
  /** Rejects waiting requests with UnavailableError, waits for running batches, and ends all processes and threads. */
  dispose(): Promise<void>;
}

const servingChecks = {
  workers: checks.count,
  threads: checks.count,
  decoders: checks.count,
  backend: checks.text,
  maxBatch: checks.count,
  maxWaiting: checks.count,
  maxPixels: checks.count,
  onBatch: checks.callback,
  onWarning: checks.callback,
  signal: checks.signal,
} as const satisfies { readonly [Name in keyof ServingOptions]-?: unknown };

const modelChecks = {
  model: checks.textOrObject,
  weights: checks.anything,
  labels: [Array.isArray, "a list of names"],
  preprocessing: checks.object,
} as const satisfies { readonly [Name in keyof ModelOptions]-?: unknown };

/** The values that every model computes; probabilities follow from the logits. */
const servedOutputs = ["logits", "avgpool"] as const;
const MAX_PIXELS = 2 ** 26;
const MOST_THREADS = 4;
/** resnet18 takes 8.2 n + 1.3 ms for n images, so that larger batches save less than 2 % of the time. */
const LEAST_BATCH = 8;
/** Image files, and maps, that wait for a decoding thread. */
const MAX_DECODING = 64;
/** Milliseconds after which a decoding thread counts as stuck. The largest picture takes a tenth of it. */
const DECODING_TIMEOUT = 30_000;

/**
 * Starts processes that run models and threads that decode pictures.
 *
 * Throws OptionError for unknown options or an unknown backend, BackendUnavailableError if the backend's runtime is
 * missing, AbortError. After an error nothing is left open.
 */
export async function openServing(options: ServingOptions = {}): Promise<Serving> {
  checkOptions("openServing", options, servingChecks);
  throwIfAborted(options.signal);
  const serving = new PooledServing(options);
  try {
    await serving.start();
    throwIfAborted(options.signal);
    return serving;
  } catch (error) {
    await serving.dispose();
    throw error;
  }
}

/**
 * The workers and threads for this machine. On two cores, resnet18 on onnx answers an image alone in 9.7 ms with one
 * worker of two threads, and in 18 ms with two workers of one thread; batches of 8 take 8.3 and 9.1 ms an image, and
 * the second worker holds the weights again. So cores become threads first. Beyond 4 threads the last layers are too
 * small to share, and cores become workers, which also keep answering while another worker is replaced.
 */
function workersFor(cores: number, { workers, threads }: ServingOptions): { workers: number; threads: number } {
  const count = workers ?? Math.max(1, Math.floor(cores / (threads ?? MOST_THREADS)));
  return { workers: count, threads: threads ?? Math.max(1, Math.floor(cores / count)) };
}

class PooledServing implements Serving {
  readonly models = new Map<string, PooledModel>();
  readonly #options: ServingOptions;
  readonly #pool: WorkerPool;
  readonly #scheduler: Scheduler;
  readonly #threads: readonly DecodingThread[];
  readonly #decoding: Queue<DecodeRequest, Decoded>;
  readonly #drawing: Queue<DrawRequest, Drawn>;
  #loads = 0;
  #isClosed = false;

  constructor(options: ServingOptions) {
    const { workers, threads } = workersFor(availableParallelism(), options);
    const { onWarning = node.warn, decoders = Math.max(1, availableParallelism() >> 1) } = options;
    this.#options = { ...options, onWarning };
    this.#scheduler = new Scheduler({ workers, onBatch: options.onBatch });
    this.#pool = new WorkerPool({
      workers,
      backend: options.backend ?? "auto",
      threads,
      onWarning,
      onLost: (worker) => this.#scheduler.suspend(worker),
      onReady: (worker) => this.#scheduler.resume(worker),
    });
    this.#threads = Array.from({ length: decoders }, () => new DecodingThread(DECODING_TIMEOUT));
    const scheduler = new Scheduler({ workers: decoders });
    const limits = { maxBatch: 1, maxWaiting: MAX_DECODING };
    this.#decoding = scheduler.queue({
      ...limits,
      name: "decoding",
      run: async ([request], thread) => [await this.#threads[thread]!.decode(request!)],
    });
    this.#drawing = scheduler.queue({
      ...limits,
      name: "drawing",
      run: async ([request], thread) => [await this.#threads[thread]!.draw(request!)],
    });
  }

  start(): Promise<void> {
    return this.#pool.start();
  }

  async load(name: string, options: ModelOptions = {}, work: WorkOptions = {}): Promise<ServedModel> {
    checkOptions("load", options, modelChecks);
    this.#checkOpen();
    const { onWarning, maxPixels = MAX_PIXELS, maxWaiting } = this.#options;
    const prepared = await prepare({ ...options, ...work, onWarning });
    const graph = graphForPictures(prepared);
    const key = String(this.#loads++);
    const backend = await this.#pool.add(key, select(graph, servedOutputs), work);
    const model = new PooledModel({
      name,
      key,
      prepared: { ...prepared, graph, preprocessing: knownPreprocessing(prepared) },
      backend,
      pool: this.#pool,
      scheduler: this.#scheduler,
      decoding: this.#decoding,
      drawing: this.#drawing,
      maxBatch: this.#options.maxBatch ?? Math.max(LEAST_BATCH, batchFor(graph.inputs.image.shape)),
      maxWaiting,
      maxPixels,
    });
    try {
      await model.warmUp(work.signal);
      this.#checkOpen();
    } catch (error) {
      await model.close();
      throw error;
    }
    const former = this.models.get(name);
    this.models.set(name, model);
    await former?.drain();
    return model;
  }

  async unload(name: string): Promise<void> {
    const model = this.models.get(name);
    if (!model) throw new OptionError(unknownName(name, [...this.models.keys()], "model"));
    this.models.delete(name);
    await model.drain();
  }

  async drain(): Promise<void> {
    this.#isClosed = true;
    await Promise.all([...this.models.values()].map((model) => model.drain()));
    await Promise.all([this.#decoding.drain(), this.#drawing.drain()]);
  }

  async dispose(): Promise<void> {
    this.#isClosed = true;
    const models = [...this.models.values()];
    this.models.clear();
    await Promise.all([this.#decoding.close(), this.#drawing.close(), ...models.map((model) => model.close())]);
    await Promise.all([this.#pool.close(), ...this.#threads.map((thread) => thread.close())]);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }

  #checkOpen(): void {
    if (this.#isClosed) throw new UnavailableError("this serving is closed; open another");
  }
}
