import { abortError, type ResidualError, type Signal, throwIfAborted } from "@residual/core";
import type { GivenTensors, RawTensors } from "../session.ts";
import type { ModelSource, SessionOptions } from "./inference.ts";
import type { FromThread, Job, ToThread } from "./protocol.ts";
import { refusal } from "./refusal.ts";

/** The functions that differ between Node and browsers. */
export interface ThreadPort {
  post(message: ToThread, transfer: readonly ArrayBuffer[]): void;
  /** Called when the thread gets its first job, and when it has finished all. */
  setBusy(isBusy: boolean): void;
}

/** The number of input buffers kept for later runs. */
const RECYCLED = 4;

interface Reply {
  readonly resolve: (outputs: RawTensors) => void;
  readonly reject: (error: Error) => void;
}

/** The owner's side of an onnxruntime thread: sends jobs, and settles each with its reply. */
export class ThreadClient {
  readonly #port: ThreadPort;
  readonly #loadError: (message: string) => ResidualError;
  /** Unanswered jobs, by number. */
  readonly #open = new Map<number, Reply>();
  /** Input memory of the latest runs that the thread has returned. */
  readonly #recycled: ArrayBuffer[] = [];
  #jobs = 0;
  #lost: ResidualError | undefined;

  /** `loadError` makes the error for an onnxruntime that does not load. */
  constructor(port: ThreadPort, loadError: (message: string) => ResidualError) {
    this.#port = port;
    this.#loadError = loadError;
  }

  /**
   * Throws UnsupportedError for a model that onnxruntime refuses, the error of `loadError` if onnxruntime does not
   * load, AbortError.
   */
  async create(
    session: number,
    source: ModelSource,
    options: SessionOptions,
    signal: Signal | undefined,
  ): Promise<void> {
    await this.#request({ kind: "create", session, source, options }, buffersOf(source), signal);
  }

  run(session: number, inputs: GivenTensors, signal?: Signal): Promise<RawTensors> {
    const copies = Object.entries(inputs).map(
      ([name, { shape, data }]) => [name, { shape, data: this.#copy(data) }] as const,
    );
    const buffers = copies.map(([, { data }]) => data.buffer);
    return this.#request({ kind: "run", session, inputs: Object.fromEntries(copies) }, buffers, signal);
  }

  commit(session: number): void {
    this.#port.post({ kind: "commit", session }, []);
  }

  read(session: number, names: readonly string[]): Promise<RawTensors> {
    return this.#request({ kind: "read", session, names }, []);
  }

  /** Frees a session after the jobs sent so far. On a lost thread there is nothing to free. */
  async release(session: number): Promise<void> {
    if (this.#lost) return;
    await this.#request({ kind: "release", session }, []).catch((error: unknown) => {
      if (error !== this.#lost) throw error;
    });
  }

  /** Whether the thread has ended unexpectedly: all further jobs are rejected. */
  get isLost(): boolean {
    return this.#lost !== undefined;
  }

  receive(message: FromThread): void {
    const reply = this.#open.get(message.id);
    this.#open.delete(message.id);
    if (message.kind === "failed") reply?.reject(this.#errorOf(message));
    if (message.kind === "done") {
      this.#recycled.push(...message.spent);
      this.#recycled.splice(0, this.#recycled.length - RECYCLED);
      reply?.resolve(message.outputs);
    }
    if (this.#open.size === 0) this.#port.setBusy(false);
  }

  /** Rejects all pending and future jobs with the error: the thread is gone, or about to go. */
  lose(error: ResidualError): void {
    this.#lost ??= error;
    for (const { reject } of this.#open.values()) reject(this.#lost);
    this.#open.clear();
  }

  /**
   * Copies inputs into memory returned by an earlier run, if available: a new buffer for an image costs about 150 page
   * faults. Letting the port clone inputs would copy them twice, and would copy whole buffers under views.
   */
  #copy(data: Float32Array): Float32Array<ArrayBuffer> {
    const index = this.#recycled.findIndex(({ byteLength }) => byteLength === data.byteLength);
    const [buffer = new ArrayBuffer(data.byteLength)] = index < 0 ? [] : this.#recycled.splice(index, 1);
    const copy = new Float32Array(buffer);
    copy.set(data);
    return copy;
  }

  #request(job: Job, transfer: readonly ArrayBuffer[], signal?: Signal): Promise<RawTensors> {
    throwIfAborted(signal);
    if (this.#lost) throw this.#lost;
    const id = this.#jobs++;
    const answer = this.#answer(id, signal);
    this.#port.setBusy(true);
    this.#port.post({ ...job, id }, transfer);
    return answer;
  }

  /** Settles with the thread's reply, or rejects when the signal is aborted; a late reply is dropped. */
  #answer(id: number, signal: Signal | undefined): Promise<RawTensors> {
    return new Promise((resolve, reject) => {
      const abort = () => {
        reject(abortError(signal!));
        this.#port.post({ kind: "cancel", id }, []);
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

  #errorOf({ stage, message }: FromThread & { kind: "failed" }): ResidualError {
    return stage === "load" ? this.#loadError(message) : refusal(message);
  }
}

function buffersOf({ model, externalData, variables = [] }: ModelSource): ArrayBuffer[] {
  const bytes = [model, externalData?.data].filter((each) => each instanceof Uint8Array);
  return [...bytes, ...variables.map(({ initial }) => initial.data)].map(({ buffer }) => buffer);
}
