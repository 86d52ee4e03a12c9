import { Worker } from "node:worker_threads";
import {
  abortError,
  DeviceLostError,
  graph,
  input,
  OutOfMemoryError,
  ops,
  type ResidualError,
  type Signal,
  type Tensor,
  throwIfAborted,
  UnsupportedError,
  version,
} from "@residual/core";
import { openGate, removeGate } from "./gate.ts";
import { lowerToOnnx } from "./lower.ts";
import { encodeModel } from "./model-proto.ts";
import { concatenate } from "./protobuf.ts";
import type { FromWorker, Job, ModelSource, NamedNumbers, SessionSettings, WorkerSetup } from "./protocol.ts";
import { locate, unavailable } from "./runtime.ts";

/** From source Node strips the types itself; dist has plain JavaScript. */
const workerUrl = new URL(import.meta.url.endsWith(".ts") ? "./worker.ts" : "./worker.js", import.meta.url);

/** A model of one node, whose session makes onnxruntime set up what all sessions share. */
function smallestModel(): Uint8Array<ArrayBuffer> {
  const x = input("x", [1]);
  const model = lowerToOnnx(graph({ name: "smallest", inputs: { x }, outputs: { y: ops.relu({ x }) } }));
  return concatenate(encodeModel(model, version));
}

/** A job without its number. */
type Request = Job extends infer J ? (J extends Job ? Omit<J, "id"> : never) : never;

/** Buffers of inputs that are kept for later runs. */
const SPENT = 4;

interface Reply {
  readonly resolve: (outputs: NamedNumbers) => void;
  readonly reject: (error: Error) => void;
}

/**
 * One onnxruntime session in a thread of its own. The thread keeps the process alive only while it has something to do,
 * an aborted job included, since it must not be torn down in mid run; `close` ends it.
 */
export class Session {
  readonly #runtime: string;
  readonly #worker: Worker;
  readonly #ended: Promise<void>;
  /** Jobs that the thread has not answered yet, by number. */
  readonly #open = new Map<number, Reply>();
  /** Memory of inputs that the thread is done with, of the latest runs. */
  readonly #spent: ArrayBuffer[] = [];
  #jobs = 0;
  #lost: ResidualError | undefined;
  #closing: Promise<void> | undefined;

  /** Starts the thread, which begins to load the runtime. Throws BackendUnavailableError where there is none. */
  constructor(runtime: string, settings: SessionSettings) {
    this.#runtime = runtime;
    const url = locate(runtime);
    // onnxruntime-node 1.30 keeps usage data in the home and temporary folders unless told not to, before it loads.
    process.env.ORT_DISABLE_TELEMETRY ??= "1";
    const gate = openGate();
    const workerData: WorkerSetup = { runtime: url, settings, gate, warmUp: smallestModel() };
    // Its own flags: those of this thread may name loaders and conditions that the worker does not need.
    this.#worker = new Worker(workerUrl, { workerData, execArgv: [], name: "residual-onnx" });
    this.#worker.on("message", (message: FromWorker) => this.#receive(message));
    this.#worker.on("error", (error) => this.#lose(error));
    this.#worker.unref();
    this.#ended = new Promise((resolve) => this.#worker.once("exit", resolve)).then(() => {
      removeGate(gate);
      this.#lose();
    });
  }

  /** Throws UnsupportedError for a model that onnxruntime refuses, BackendUnavailableError where it does not load. */
  async create(source: ModelSource, signal?: Signal): Promise<void> {
    await this.#request({ kind: "create", source }, buffersOf(source), signal);
  }

  /** Leaves the inputs as they are: the thread gets copies. Rejects with AbortError once the signal is aborted. */
  run(inputs: { readonly [name: string]: Tensor<"float32"> }, signal?: Signal): Promise<NamedNumbers> {
    const copies = Object.entries(inputs).map(
      ([name, { shape, data }]) => [name, { shape, data: this.#copy(data) }] as const,
    );
    const buffers = copies.map(([, { data }]) => data.buffer);
    return this.#request({ kind: "run", inputs: Object.fromEntries(copies) }, buffers, signal);
  }

  /**
   * Into memory that an earlier run has given back, if there is some: a fresh buffer of an image costs some 150 page faults.
   * To let the port clone inputs would copy them twice, and whole buffers under views.
   */
  #copy(data: Float32Array): Float32Array<ArrayBuffer> {
    const index = this.#spent.findIndex(({ byteLength }) => byteLength === data.byteLength);
    const [buffer = new ArrayBuffer(data.byteLength)] = index < 0 ? [] : this.#spent.splice(index, 1);
    const copy = new Float32Array(buffer);
    copy.set(data);
    return copy;
  }

  /** Does what is queued, then ends the thread. */
  close(): Promise<void> {
    this.#closing ??= this.#end();
    return this.#closing;
  }

  #end(): Promise<void> {
    this.#worker.ref();
    this.#worker.postMessage({ kind: "release" });
    return this.#ended;
  }

  #request(request: Request, transfer: readonly ArrayBuffer[], signal?: Signal): Promise<NamedNumbers> {
    throwIfAborted(signal);
    if (this.#lost) throw this.#lost;
    const id = this.#jobs++;
    const answer = this.#answer(id, signal);
    this.#worker.ref();
    this.#worker.postMessage({ ...request, id }, transfer);
    return answer;
  }

  /** Settles with the thread's reply, or earlier, when the signal is aborted: then the late reply is dropped. */
  #answer(id: number, signal: Signal | undefined): Promise<NamedNumbers> {
    return new Promise((resolve, reject) => {
      const abort = () => {
        reject(abortError(signal!));
        this.#worker.postMessage({ kind: "cancel", id });
      };
      signal?.addEventListener("abort", abort, { once: true });
      const settled = () => signal?.removeEventListener("abort", abort);
      this.#open.set(id, {
        resolve: (outputs) => {
          settled();
          resolve(outputs);
        },
        reject: (error) => {
          settled();
          reject(error);
        },
      });
    });
  }

  #receive(message: FromWorker): void {
    const reply = this.#open.get(message.id);
    this.#open.delete(message.id);
    if (message.kind === "failed") reply?.reject(this.#errorOf(message));
    if (message.kind === "done") {
      this.#spent.push(...message.spent);
      this.#spent.splice(0, this.#spent.length - SPENT);
      reply?.resolve(message.outputs);
    }
    if (this.#open.size === 0 && !this.#closing) this.#worker.unref();
  }

  /** The thread is gone, or about to go: what it owes is not coming. */
  #lose(cause?: unknown): void {
    this.#lost ??= lostError(cause);
    for (const { reject } of this.#open.values()) reject(this.#lost);
    this.#open.clear();
  }

  #errorOf({ stage, message }: FromWorker & { kind: "failed" }): ResidualError {
    const cause = new Error(message);
    if (stage === "load") return unavailable(this.#runtime, `does not load (${message})`, cause);
    const outOfMemory = /Failed to allocate memory|bad_alloc/i.test(message);
    if (outOfMemory) return new OutOfMemoryError(`onnx: ${message}; take a smaller batch`, { cause });
    return new UnsupportedError(`onnx: onnxruntime refused ${nodeIn(message)}: ${message}`, { cause });
  }
}

/** onnxruntime names the node that failed: `… while running Conv node. Name:'layer1.0.conv1' …`. */
function nodeIn(message: string): string {
  const [, name] = /Name:'([^']*)'/.exec(message) ?? [];
  return name ? `node ${name}` : "the model";
}

function lostError(cause: unknown): ResidualError {
  const memory = (cause as { code?: string } | undefined)?.code === "ERR_WORKER_OUT_OF_MEMORY";
  if (memory) return new OutOfMemoryError("onnx: the worker thread ran out of memory; take a smaller batch", { cause });
  return new DeviceLostError("onnx: the worker thread that runs the model has ended; compile the graph again", {
    cause,
  });
}

function buffersOf({ model, externalData }: ModelSource): ArrayBuffer[] {
  return [model, externalData?.data].filter((bytes) => bytes instanceof Uint8Array).map(({ buffer }) => buffer);
}
