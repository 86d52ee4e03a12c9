import { AbortError, type Progress, ResidualError, type WorkOptions } from "@residual/core";

/**
 * Calls from a page into a worker, with what `WorkOptions` has: a signal, progress, and errors that keep their code.
 * A library for calls into workers would give the calls, and none of these three.
 */
export type Methods = {
  readonly [name: string]: (argument: never, work: WorkOptions) => Promise<unknown>;
};

type ToWorker =
  | { readonly kind: "call"; readonly id: number; readonly method: string; readonly argument: unknown }
  | { readonly kind: "abort"; readonly id: number };

type FromWorker =
  | { readonly kind: "progress"; readonly id: number; readonly progress: Progress }
  | { readonly kind: "done"; readonly id: number; readonly value: unknown }
  | { readonly kind: "failed"; readonly id: number; readonly error: Failure };

/** An error that has crossed from a worker: the class is lost there, the code is not. */
interface Failure {
  readonly code: string;
  readonly message: string;
}

/** The error of a call, with the code that it had in the worker. */
export class RemoteError extends Error {
  readonly code: string;
  constructor({ code, message }: Failure) {
    super(message);
    this.code = code;
  }
}

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
  scope.onmessage = async ({ data }) => {
    if (data.kind === "abort") return running.get(data.id)?.abort();
    const { id, method, argument } = data;
    const controller = new AbortController();
    running.set(id, controller);
    try {
      const work: WorkOptions = {
        signal: controller.signal,
        onProgress: (progress) => scope.postMessage({ kind: "progress", id, progress }),
      };
      const answer = await methods[method]!(argument as never, work);
      const { value, transfer } = answer instanceof Moved ? answer : new Moved(answer, []);
      scope.postMessage({ kind: "done", id, value }, { transfer: [...transfer] });
    } catch (error) {
      scope.postMessage({ kind: "failed", id, error: failureOf(error) });
    } finally {
      running.delete(id);
    }
  };
}

function failureOf(error: unknown): Failure {
  if (error instanceof ResidualError) return { code: error.code, message: error.message };
  return { code: "InternalError", message: error instanceof Error ? error.message : String(error) };
}

type Argument<Method> = Method extends (argument: infer A, work: WorkOptions) => Promise<unknown> ? A : never;
type Answered<Method> = Method extends (argument: never, work: WorkOptions) => Promise<infer R>
  ? R extends Moved<infer T>
    ? T
    : R
  : never;

interface Waiting {
  readonly resolve: (value: never) => void;
  readonly reject: (error: Error) => void;
  readonly settled: () => void;
  readonly onProgress: WorkOptions["onProgress"];
}

/** A page's end: one worker, many calls at a time. */
export class Remote<Of extends Methods> {
  readonly #worker: Worker;
  readonly #waiting = new Map<number, Waiting>();
  #lastId = 0;

  constructor(worker: Worker) {
    this.#worker = worker;
    worker.onmessage = ({ data }: MessageEvent<FromWorker>) => this.#receive(data);
    worker.onerror = (event) => {
      event.preventDefault();
      this.#loseAll(`the worker has failed (${event.message || "its code did not load"}); reload the page`);
    };
  }

  /** Rejects with RemoteError, or AbortError at once when the signal fires. */
  call<Name extends keyof Of & string>(
    method: Name,
    argument: Argument<Of[Name]>,
    { signal, onProgress }: WorkOptions = {},
  ): Promise<Answered<Of[Name]>> {
    const id = ++this.#lastId;
    return new Promise((resolve, reject) => {
      const abort = (): void => {
        this.#post({ kind: "abort", id });
        this.#waiting.delete(id);
        reject(new AbortError(`${method} was cancelled`));
      };
      if (signal?.aborted) return abort();
      signal?.addEventListener("abort", abort);
      const settled = () => signal?.removeEventListener("abort", abort);
      this.#waiting.set(id, { resolve, reject, settled, onProgress });
      this.#post({ kind: "call", id, method, argument });
    });
  }

  /** Ends the worker, and frees all that it holds. Calls that wait are rejected. */
  end(): void {
    this.#worker.terminate();
    this.#loseAll("the worker was ended");
  }

  #post(message: ToWorker): void {
    this.#worker.postMessage(message);
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
    if (message.kind === "done") waiting.resolve(message.value as never);
    else waiting.reject(new RemoteError(message.error));
  }

  #loseAll(message: string): void {
    for (const { reject, settled } of this.#waiting.values()) {
      settled();
      reject(new RemoteError({ code: "WorkerLost", message }));
    }
    this.#waiting.clear();
  }
}
