import { AbortError, type Progress, type WorkOptions } from "@residual/core";
import { type Problem, problemOf, RemoteError } from "./problem.ts";

/**
 * Calls from a page into a worker, with what `WorkOptions` has: a signal, progress, and errors that keep their code.
 * A library for calls into workers would give the calls, and none of these three.
 */
export type Methods = { readonly [name: string]: AnyMethod["call"] };

/** Written as a method, so that its argument may be of any one type: what arrives is checked by the caller's types. */
interface AnyMethod {
  call(argument: unknown, work: WorkOptions): Promise<unknown>;
}

interface Call {
  readonly kind: "call";
  readonly id: number;
  readonly method: string;
  readonly argument: unknown;
}

type ToWorker = Call | { readonly kind: "abort"; readonly id: number };

type FromWorker =
  | { readonly kind: "progress"; readonly id: number; readonly progress: Progress }
  | { readonly kind: "done"; readonly id: number; readonly value: unknown }
  | { readonly kind: "failed"; readonly id: number; readonly error: Problem };

/** A worker's own scope, or a test's port. */
interface Scope {
  onmessage: ((event: MessageEvent<ToWorker>) => void) | null;
  postMessage(message: FromWorker, options?: { readonly transfer: Transferable[] }): void;
}

/** A value with what is moved, rather than copied, to the page. */
export class Moved<T> {
  readonly value: T;
  readonly transfer: readonly Transferable[];
  constructor(value: T, transfer: readonly Transferable[]) {
    this.value = value;
    this.transfer = transfer;
  }
}

/** Answers calls in a worker. */
export function serve(methods: Methods, scope: Scope): void {
  const running = new Map<number, AbortController>();
  const answer = async ({ id, method, argument }: Call): Promise<void> => {
    const controller = new AbortController();
    running.set(id, controller);
    try {
      const work: WorkOptions = {
        signal: controller.signal,
        onProgress: (progress) => scope.postMessage({ kind: "progress", id, progress }),
      };
      const found = await methods[method]!(argument, work);
      const { value, transfer } = found instanceof Moved ? (found as Moved<unknown>) : new Moved(found, []);
      scope.postMessage({ kind: "done", id, value }, { transfer: [...transfer] });
    } catch (error) {
      scope.postMessage({ kind: "failed", id, error: problemOf(error) });
    } finally {
      running.delete(id);
    }
  };
  scope.onmessage = ({ data }) => {
    if (data.kind === "abort") running.get(data.id)?.abort();
    else void answer(data);
  };
}

type Argument<Method> = Method extends (argument: infer A, work: WorkOptions) => Promise<unknown> ? A : never;
type Answered<Method> = Method extends (argument: never, work: WorkOptions) => Promise<infer R>
  ? R extends Moved<infer T>
    ? T
    : R
  : never;

export interface CallOptions extends WorkOptions {
  /** What is moved, rather than copied, to the worker. */
  readonly transfer?: readonly Transferable[] | undefined;
}

interface Waiting {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: Error) => void;
  readonly settled: () => void;
  readonly onProgress: WorkOptions["onProgress"];
}

/** A page's end: one worker, many calls at a time. */
export class Remote<Of extends Methods> {
  readonly #worker: Worker;
  readonly #waiting = new Map<number, Waiting>();
  #lastId = 0;
  /** Why there will be no answers any more. */
  #loss: RemoteError | undefined;

  constructor(worker: Worker) {
    this.#worker = worker;
    worker.onmessage = ({ data }: MessageEvent<FromWorker>) => this.#receive(data);
    worker.onerror = (event) => {
      event.preventDefault();
      const { message } = event; // an event without one: the script itself was not fetched
      if (message) this.#lose("WorkerLost", `the worker has failed (${message}); reload the page`);
      else this.#lose("NetworkError", "the part of this page that computes could not be fetched; connect, and reload");
    };
  }

  /** Rejects with RemoteError, or AbortError at once when the signal fires. */
  call<Name extends keyof Of & string>(
    method: Name,
    argument: Argument<Of[Name]>,
    { signal, onProgress, transfer = [] }: CallOptions = {},
  ): Promise<Answered<Of[Name]>> {
    if (this.#loss) return Promise.reject(this.#loss);
    const id = ++this.#lastId;
    return new Promise((resolve, reject) => {
      const abort = (): void => {
        this.#worker.postMessage({ kind: "abort", id } satisfies ToWorker);
        this.#waiting.delete(id);
        reject(new AbortError(`${method} was cancelled`));
      };
      if (signal?.aborted) return abort();
      signal?.addEventListener("abort", abort);
      const settled = () => signal?.removeEventListener("abort", abort);
      this.#waiting.set(id, {
        resolve: (value) => resolve(value as Answered<Of[Name]>),
        reject,
        settled,
        onProgress,
      });
      this.#worker.postMessage({ kind: "call", id, method, argument } satisfies ToWorker, [...transfer]);
    });
  }

  /** Ends the worker, and frees all that it holds. Calls that wait are rejected. */
  end(): void {
    this.#worker.terminate();
    this.#lose("WorkerLost", "the worker was ended");
  }

  #receive(message: FromWorker): void {
    const waiting = this.#waiting.get(message.id);
    if (!waiting) return; // cancelled, or ended
    if (message.kind === "progress") {
      waiting.onProgress?.(message.progress);
      return;
    }
    this.#waiting.delete(message.id);
    waiting.settled();
    if (message.kind === "done") waiting.resolve(message.value);
    else waiting.reject(new RemoteError(message.error));
  }

  #lose(code: string, message: string): void {
    this.#loss = new RemoteError({ code, message });
    for (const { reject, settled } of this.#waiting.values()) {
      settled();
      reject(this.#loss);
    }
    this.#waiting.clear();
  }
}
